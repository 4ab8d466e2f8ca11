"""Detectors: each watches one jump operator and writes down a record of it."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, as_matrix, as_real, is_concrete, square_root, stacked
from stochq.channels import TimeDependentOperator
from stochq.measurement.record import Kind
from stochq.module import Module
from stochq.operators import as_operator, parts_of
from stochq.systems.checks import check_finite, check_number, shape_of
from stochq.systems.time_functions import phase_factor, time_function

_SQRT_HALF = np.sqrt(0.5)


class Detector(Module):
    r"""One jump operator L and who watches it. Abstract: a subclass says what is written down.

    A detector of efficiency η < 1 splits L in two: √η L is watched, √(1−η) L is lost. The law of the record is exact;
    the pure states that a simulation follows are those of one who lost nothing.
    """

    # The law under which the watched operators unravel, and what is written down; None for nothing.
    unravelling: ClassVar[str] = "real"
    kind: ClassVar[Kind | None] = "homodyne"

    operator: Array
    efficiency: Number
    # Of the parts of a composite system, where an object of QuTiP told them.
    dims: tuple[int, ...] = eqx.field(static=True, default=(), kw_only=True)

    @property
    def dim(self) -> int:
        return self.operator.shape[-1]

    @property
    def share(self) -> Number:
        """The part of the output that reaches the record: the efficiency, less what electronic noise hides."""
        return self.efficiency

    @property
    def time_dependent(self) -> bool:
        """Whether what is watched depends on time."""
        return False

    @property
    def fed_back(self) -> bool:
        """Whether the operator is that of a detector whose record drives the system without delay."""
        return False

    @abc.abstractmethod
    def sources(self) -> list[Array]:
        """The operators, (dim,) or (dim, dim) each, whose increments under its law add up to the record."""

    def turning(self) -> TimeDependentOperator | None:
        """The channel of what is watched where that depends on time, which is then no source; None elsewhere."""
        return None

    def lost(self, root: Callable[[Number], Number] = square_root) -> list[Array]:
        """√(1−η) L, or nothing where nothing is lost; root: the square root to take."""
        return [] if is_concrete(self.share) and self.share >= 1 else [root(1 - self.share) * self.operator]

    def watched(self, t: Number = 0.0) -> list[Array]:
        """The operators (dim, dim) of the record's real columns, each with unit noise, at time t."""
        return [full(source) for source in self.sources()]

    def described(self) -> str:
        """In words: the kind and the efficiency."""
        known = isinstance(self.efficiency, (float, np.ndarray, np.generic)) and np.ndim(self.efficiency) == 0
        return f"{self.kind or 'unread'}, efficiency {f'{self.efficiency:g}' if known else 'traced'}"

    @property
    def scale(self) -> Number:
        """By which the increments of the noise's record are multiplied."""
        return 1.0

    @property
    def drift(self) -> Number:
        """What is added to the record per time."""
        return 0.0


class Diffusive(Detector):
    """A detector whose record is a current with noise. Abstract.

    Electronic noise of ε shot noises makes an ideal record's efficiency η/(1+ε), multiplied by √(1+ε): so it is drawn.
    """

    gain: Number
    offset: Number
    noise: Number

    @property
    def share(self) -> Number:
        return self.efficiency / (1 + self.noise)

    @property
    def scale(self) -> Number:
        return self.gain * square_root(1 + self.noise)

    @property
    def drift(self) -> Number:
        return self.offset


@final
class Homodyne(Diffusive):
    """See `homodyne`."""

    phase: Number | Callable[[Number], Number]
    drives: bool = eqx.field(static=True, default=False)

    @property
    def fed_back(self) -> bool:
        return self.drives

    @property
    def time_dependent(self) -> bool:
        return callable(self.phase)

    def sources(self) -> list[Array]:
        return [] if callable(self.phase) else [square_root(self.share) * self._turned(0.0)]

    def turning(self) -> TimeDependentOperator | None:
        if not callable(self.phase):
            return None
        return TimeDependentOperator([(square_root(self.share) * self.operator, phase_factor(cast(Any, self.phase)))])

    def watched(self, t: Number = 0.0) -> list[Array]:
        return [square_root(self.share) * full(self._turned(t))]

    def _turned(self, t: Number) -> Array:
        """e^{−iφ}L; L itself at φ = 0, so that it stays real."""
        phase: Any = self.phase(t) if callable(self.phase) else self.phase
        if is_concrete(phase) and phase == 0:
            return self.operator
        return as_matrix((np if is_concrete(phase) else jnp).exp(-1j * phase) * self.operator)


@final
class Heterodyne(Diffusive):
    """See `heterodyne`."""

    unravelling = "complex"
    kind = "heterodyne"

    def sources(self) -> list[Array]:
        return [square_root(self.share) * self.operator]

    def watched(self, t: Number = 0.0) -> list[Array]:
        (watched,) = (full(source) for source in self.sources())
        return [_SQRT_HALF * watched, 1j * _SQRT_HALF * watched]


@final
class Counting(Detector):
    """See `counting`."""

    unravelling = "jump"
    kind = "counting"

    dark: Number
    drives: bool = eqx.field(static=True, default=False)

    @property
    def fed_back(self) -> bool:
        return self.drives

    def sources(self) -> list[Array]:
        """Dark counts are clicks of a multiple of the identity, which tell nothing of the state."""
        watched = square_root(self.share) * self.operator
        if is_concrete(self.dark) and self.dark == 0:
            return [watched]
        return [watched, square_root(self.dark) * np.ones(self.dim)]

    def watched(self, t: Number = 0.0) -> list[Array]:
        return [square_root(self.share) * full(self.operator)]


@final
class Unread(Detector):
    """See `unread`."""

    kind = None

    def sources(self) -> list[Array]:
        return []


def homodyne(
    operator: OperatorLike,
    *,
    phase: Number | Callable[[Number], Number] = 0.0,
    efficiency: Number = 1.0,
    gain: Number = 1.0,
    offset: Number = 0.0,
    noise: Number = 0.0,
) -> Homodyne:
    r"""Homodyne detection of one quadrature of what leaves through L.

    $$dY = \sqrt\eta\,\langle e^{-i\varphi}L + e^{i\varphi}L^\dagger\rangle\,dt + dW, \qquad
      \text{written down: } g\,(dY + \sqrt\varepsilon\,dW_e) + o\,dt$$

    Args:
        operator: L (dim, dim), or its diagonal (dim,), √rate inside, 1/√time.
        phase: φ of the local oscillator, radians; or a function of the time, written with `jax.numpy` or from
            `sq.systems.sampled`.
        efficiency: η, from 0 to 1.
        gain: g, by which the current is multiplied.
        offset: o, a current that is added.
        noise: ε, electronic noise in units of the shot noise's power.

    Raises:
        ValueError: for numbers out of range and operators that are none, naming the argument.

    >>> homodyne([0.0, 2.0], efficiency=0.25).watched()[0].real.tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    angle = time_function("phase", phase) if callable(phase) else _real("phase", phase)
    numbers = (_fraction("efficiency", efficiency), *_electronics(gain, offset, noise))
    return Homodyne(_operator(operator), *numbers, angle, dims=parts_of(operator))


def heterodyne(
    operator: OperatorLike,
    *,
    efficiency: Number = 1.0,
    gain: Number = 1.0,
    offset: Number = 0.0,
    noise: Number = 0.0,
) -> Heterodyne:
    r"""Heterodyne detection: both quadratures of what leaves through L, each with half of it.

    $$dZ = \sqrt\eta\,\langle L\rangle\,dt + dW^*, \qquad E|dW|^2 = dt,\; E\,dW^2 = 0$$

    Its columns are the real records of L/√2 and iL/√2, dY₁ = √2 Re dZ and dY₂ = −√2 Im dZ.

    Args:
        operator: L (dim, dim), or its diagonal (dim,), √rate inside, 1/√time.
        efficiency: η, from 0 to 1.
        gain: by which the current is multiplied.
        offset: a real current that is added to Z.
        noise: electronic noise in units of the shot noise's power.

    Raises:
        ValueError: for numbers out of range and operators that are none, naming the argument.

    >>> len(heterodyne([[0.0, 1.0], [0.0, 0.0]]).watched())
    2
    """
    numbers = (_fraction("efficiency", efficiency), *_electronics(gain, offset, noise))
    return Heterodyne(_operator(operator), *numbers, dims=parts_of(operator))


def counting(operator: OperatorLike, *, efficiency: Number = 1.0, dark: Number = 0.0) -> Counting:
    r"""A counter of the quanta that leave through L: clicks at the rate $\eta\langle L^\dagger L\rangle + d$.

    Args:
        operator: L (dim, dim), or its diagonal (dim,), √rate inside, 1/√time.
        efficiency: η, from 0 to 1: the chance that a quantum is counted.
        dark: d, the rate of clicks that nothing causes, 1/time.

    Raises:
        ValueError: for numbers out of range and operators that are none, naming the argument.

    >>> len(counting([[0.0, 1.0], [0.0, 0.0]], dark=0.1).sources())
    2
    """
    rate = _real("dark", dark)
    if is_concrete(rate) and rate < 0:
        raise ValueError(f"dark: expected a rate, zero or positive; got {dark}.")
    return Counting(_operator(operator), _fraction("efficiency", efficiency), rate, dims=parts_of(operator))


def unread(operator: OperatorLike) -> Unread:
    """An operator that nobody watches: it acts, and nothing is written down.

    Args:
        operator: L (dim, dim), or its diagonal (dim,), √rate inside, 1/√time.

    Raises:
        ValueError: for an operator that is none.

    >>> unread([0.0, 1.0]).lost()[0].tolist()
    [0.0, 1.0]
    """
    return Unread(_operator(operator), 0.0, dims=parts_of(operator))


def full(operator: Array) -> Array:
    """An operator (dim, dim), given so or as its diagonal (dim,)."""
    if operator.ndim == 2:
        return operator
    return np.diag(operator) if is_concrete(operator) else jnp.diag(operator)


def _operator(operator: OperatorLike) -> Array:
    array = as_operator("operator", operator)
    shape = shape_of("operator", array)
    if len(shape) not in (1, 2) or shape[0] != shape[-1] or shape[0] < 1:
        raise ValueError(f"operator: expected one operator, (dim, dim) or a diagonal (dim,); got shape {shape}.")
    check_finite("operator", array)
    return as_matrix(array)


def _real(name: str, value: ArrayLike) -> Number:
    check_number(name, value)
    return as_real(value)


def _fraction(name: str, value: ArrayLike) -> Number:
    number = _real(name, value)
    if is_concrete(number) and not 0 <= number <= 1:
        raise ValueError(f"{name}: expected a number from 0 to 1; got {value}. Write 0.6 for 60 %.")
    return number


def _electronics(gain: Number, offset: Number, noise: Number) -> tuple[Number, Number, Number]:
    numbers = _real("gain", gain), _real("offset", offset), _real("noise", noise)
    if is_concrete(numbers[0]) and numbers[0] == 0:
        raise ValueError("gain: expected a number other than 0, or nothing is written down; got 0.")
    if is_concrete(numbers[2]) and numbers[2] < 0:
        raise ValueError(f"noise: expected a power in units of the shot noise, zero or positive; got {noise}.")
    return numbers


def as_stack(operators: Sequence[Array], dim: int) -> Array:
    """Operators as one array (K, dim, dim), also where there are none."""
    return stacked([full(one) for one in operators]) if operators else np.zeros((0, dim, dim))
