"""Rigid bodies under CSL: how their momentum diffuses, and the force noise that does it."""

import abc
from dataclasses import dataclass

import numpy as np

from stochq.arrays import ArrayLike
from stochq.bounds.checks import positive, positive_lengths
from stochq.constants import HBAR, REFERENCE_MASS


@dataclass(frozen=True)
class RigidBody(abc.ABC):
    """A homogeneous body that moves as a whole along one direction; mass in kg."""

    mass: float

    @abc.abstractmethod
    def structure(self, length: ArrayLike) -> np.ndarray:
        r"""η m0²/λM² in 1/m², at lengths r_C: $$\frac{\eta}{\lambda}\frac{m_0^2}{M^2}$$; 1/2r_C² for a point."""


@dataclass(frozen=True)
class Sphere(RigidBody):
    r"""A homogeneous sphere; mass in kg, radius in m. With x = R/r_C,

    $$\eta=\frac{\lambda M^2}{2m_0^2r_C^2}\,f(x),\qquad
    f=\frac{6}{x^4}\left[1-\frac{2}{x^2}+\left(1+\frac{2}{x^2}\right)e^{-x^2}\right]$$

    >>> round(float(Sphere(1.0, 1.0).structure(1.0)) / 2, 7)
    0.1554575
    """

    radius: float

    def __post_init__(self) -> None:
        positive("kilograms", mass=self.mass)
        positive("metres", radius=self.radius)

    def structure(self, length: ArrayLike) -> np.ndarray:
        """See `RigidBody.structure`."""
        lengths = positive_lengths(length)
        return _sphere_factor((self.radius / lengths) ** 2) / (2 * lengths**2)


@dataclass(frozen=True)
class Cuboid(RigidBody):
    r"""A homogeneous cuboid that moves along its first side; mass in kg, sides (3,) in m.

    $$\eta=\frac{\lambda\varrho^2}{m_0^2}\,2\left(1-e^{-L_1^2/4r_C^2}\right)K(L_2)K(L_3),\qquad
    K(L)=2\sqrt\pi\,r_CL\,\mathrm{erf}\frac{L}{2r_C}-4r_C^2\left(1-e^{-L^2/4r_C^2}\right)$$

    >>> round(float(Cuboid(1.0, (1e-3, 1e-3, 1e-3)).structure(1.0)), 6)
    0.5
    """

    sides: tuple[float, float, float]

    def __post_init__(self) -> None:
        positive("kilograms", mass=self.mass)
        if not isinstance(self.sides, (tuple, list)) or len(self.sides) != 3:
            raise ValueError(f"sides: expected three lengths, in metres; got {self.sides!r}.")
        positive("metres", **{f"sides[{i}]": side for i, side in enumerate(self.sides)})

    def structure(self, length: ArrayLike) -> np.ndarray:
        """See `RigidBody.structure`."""
        lengths = positive_lengths(length)
        first, *others = (side / (2 * lengths) for side in self.sides)
        ends = -2 * np.expm1(-(first**2)) / (2 * first * lengths) ** 2
        # K(L)/L², one by one: their product would overflow for thin sheets of large r_C.
        return ends * _side_factor(others[0]) * _side_factor(others[1])


def check_body(body: object) -> None:
    """ValueError for what is no rigid body."""
    if not isinstance(body, RigidBody):
        raise ValueError(f"body: expected a Sphere or a Cuboid; got {type(body).__name__}.")


def momentum_diffusion(
    body: RigidBody, rate: float, length: ArrayLike, reference_mass: float = REFERENCE_MASS
) -> np.ndarray:
    r"""D_pp in kg² m² s⁻³, of $$\frac{d\langle p^2\rangle}{dt}=2D_{pp},\qquad D_{pp}=\frac{\hbar^2\eta}{2}$$

    Args:
        body: a `Sphere` or `Cuboid`.
        rate: λ, 1/s.
        length: r_C in m, a number or (lengths,).
        reference_mass: m_0, kg.

    Raises:
        ValueError: for numbers that are not positive.

    >>> float(momentum_diffusion(Sphere(1e-15, 1e-6), 1e-8, 1e-7)) > 0
    True
    """
    return force_noise(body, rate, length, reference_mass) / 4


def force_noise(body: RigidBody, rate: float, length: ArrayLike, reference_mass: float = REFERENCE_MASS) -> np.ndarray:
    r"""The one-sided power spectral density of the force, in N²/Hz: $$S_{FF}=2\hbar^2\eta$$, white.

    Twice the two-sided ħ²η, which is the Fourier transform of the force's correlation.

    Args:
        body: a `Sphere` or `Cuboid`.
        rate: λ, 1/s.
        length: r_C in m, a number or (lengths,).
        reference_mass: m_0, kg.

    Raises:
        ValueError: for numbers that are not positive.

    >>> float(force_noise(Sphere(1e-15, 1e-6), 1e-8, 1e-7)) > 0
    True
    """
    check_body(body)
    positive("1/s", rate=rate)
    positive("kilograms", reference_mass=reference_mass)
    return 2 * rate * (HBAR * body.mass / reference_mass) ** 2 * body.structure(length)


def _sphere_factor(y: np.ndarray) -> np.ndarray:
    """f of y = x², by its series where the closed form cancels."""
    large = np.maximum(y, 1.0)
    closed = 6 / large**2 * (1 - 2 / large + (1 + 2 / large) * np.exp(-large))
    small, series, factorial = np.minimum(y, 1.0), np.zeros_like(y), 2.0
    for n in range(2, 24):
        factorial *= n + 1
        series = series + 6 * (-1) ** n * (n - 1) / factorial * small ** (n - 2)
    return np.where(y < 1.0, series, closed)


def _side_factor(a: np.ndarray) -> np.ndarray:
    """K(L)/L² of a = L/2r_C; one for a thin side."""
    from scipy.special import erf

    return (np.sqrt(np.pi) * a * erf(a) + np.expm1(-(a**2))) / a**2
