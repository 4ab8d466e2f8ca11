"""Named potentials of a particle; each is called with the mass and the coordinates of the grid points."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochq.arrays import Array, Number, as_real
from stochq.systems.checks import check_number


@dataclass(frozen=True)
class Potential(abc.ABC):
    """A potential that may depend on the particle's mass."""

    @abc.abstractmethod
    def __call__(self, mass: Number, *coordinates: Array) -> Array:
        """Potential energy (dim,) at the points with the given coordinates, (dim,) each."""


@dataclass(frozen=True)
class Harmonic(Potential):
    """m omega^2 r^2 / 2; see `harmonic`."""

    frequency: Number | tuple[Number, ...]

    def __call__(self, mass: Number, *coordinates: Array) -> Array:
        frequencies = self.frequency if isinstance(self.frequency, tuple) else (self.frequency,) * len(coordinates)
        if len(frequencies) != len(coordinates):
            raise ValueError(
                f"frequency: expected one number, or one for each of the {len(coordinates)} dimensions of the grid; "
                f"got {len(frequencies)}."
            )
        terms = (mass * as_real(f) ** 2 * x**2 / 2 for f, x in zip(frequencies, coordinates, strict=True))
        return sum(terms, np.zeros(len(coordinates[0])))


@dataclass(frozen=True)
class DoubleWell(Potential):
    """barrier ((2x/separation)^2 - 1)^2; see `double_well`."""

    separation: Number
    barrier: Number
    transverse_frequency: Number

    def __call__(self, mass: Number, *coordinates: Array) -> Array:
        x, *others = coordinates
        across = sum((mass * as_real(self.transverse_frequency) ** 2 * y**2 / 2 for y in others), np.zeros(len(x)))
        return as_real(self.barrier) * ((2 * x / as_real(self.separation)) ** 2 - 1) ** 2 + across


def harmonic(frequency: Number | Sequence[Number]) -> Harmonic:
    """Harmonic trap for `particle`.

    $$V = \\tfrac12 m\\,\\omega^2 r^2$$

    frequency: omega in radians per unit of time, one number or one per dimension; the mass is that of the particle.

    Raises:
        ValueError: if a frequency is not finite.

    >>> import numpy as np
    >>> harmonic(2.0)(1.0, np.array([0.0, 1.0])).tolist()
    [0.0, 2.0]
    """
    values: Any = tuple(frequency) if isinstance(frequency, (tuple, list)) else frequency
    for value in values if isinstance(values, tuple) else (values,):
        check_number("frequency", value)
    return Harmonic(values)


def double_well(separation: Number, barrier: Number, transverse_frequency: Number = 0.0) -> DoubleWell:
    """Double well for `particle`, along the first coordinate.

    $$V = V_b\\left[\\left(\\frac{2x}{s}\\right)^2 - 1\\right]^2 + \\tfrac12 m\\,\\omega_\\perp^2(y^2 + z^2)$$

    separation: distance s of the minima; barrier: height V_b at x = 0 above them; transverse_frequency: trap along
    the other coordinates, if any.

    Raises:
        ValueError: if the separation is not positive or a parameter is not finite.

    >>> import numpy as np
    >>> double_well(2.0, 5.0)(1.0, np.array([-1.0, 0.0, 1.0])).tolist()
    [0.0, 5.0, 0.0]
    """
    check_number("separation", separation, positive=True)
    check_number("barrier", barrier)
    check_number("transverse_frequency", transverse_frequency)
    return DoubleWell(separation, barrier, transverse_frequency)
