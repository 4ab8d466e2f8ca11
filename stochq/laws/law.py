"""The laws of noise: real, complex and unitary Wiener processes, all with E|dW|² = dt, and quantum jumps."""

import abc
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import FOUR_POINT, SEVENTH_DEGREE, Points
from stochq.systems.linear import times_real

# What users write for a law.
NoiseLaw = Literal["real", "complex", "unitary", "jump", "any"]


class Law(abc.ABC):
    """How the noise of jump operators L_k enters the equation of a state. Abstract; its subclasses carry no numbers.

    All are real noise of other operators: `variants` are the factors c of cL, each with a real Wiener process of its
    own. They unravel one master equation.
    """

    name: ClassVar[NoiseLaw]
    variants: ClassVar[tuple[complex, ...]]
    # Shares of the strength of Hermitian L that collapse the state and that only turn its phase.
    collapse_share: ClassVar[float]
    phase_share: ClassVar[float]
    # Whether E dW² = dt, as of real noise, and not 0.
    has_square: ClassVar[bool] = True
    needs_hermitian: ClassVar[bool] = False
    # Whether the record is clicks of the operators and not increments of a Wiener process.
    counts: ClassVar[bool] = False
    # The values that an increment of few values takes.
    points: ClassVar[Points] = FOUR_POINT

    @property
    def collapses(self) -> bool:
        """Whether the state learns of the noise: ⟨L⟩ then enters its drift, and populations are no martingale."""
        return self.collapse_share > 0

    def budget(self, count: int) -> Budget:
        """Random numbers of one step of `count` operators."""
        return Budget(real_normals=count)

    def normals(self, noise: StepNoise) -> tuple[jax.Array, ...]:
        """Standard normals (count, *columns), one such array for each variant."""
        return (noise.real_normals,)

    def increments(self, noise: StepNoise, dt: jax.Array) -> jax.Array:
        """dW, (count, *columns)."""
        return noise.real_normals * jnp.sqrt(dt)

    def record(self, increments: tuple[jax.Array, ...]) -> jax.Array:
        """The increment of the record of L from those of its variants, dY_v = 2 Re⟨c_v L⟩dt + dW_v."""
        return increments[0]

    @abc.abstractmethod
    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        """Σ_v c_v x_v ψ, (dim, *columns), for real x_v, one for each variant c_v."""


@final
@dataclass(frozen=True)
class Real(Law):
    """dW real: the law of a homodyne record."""

    name = "real"
    variants = (1 + 0j,)
    collapse_share, phase_share = 1.0, 0.0

    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        return times_real(parts[0], psi)


@final
@dataclass(frozen=True)
class Complex(Law):
    """dW complex with E dW² = 0, that is L/√2 and iL/√2 with real noise each: the law of a heterodyne record."""

    name = "complex"
    variants = (np.sqrt(0.5) + 0j, 1j * np.sqrt(0.5))
    collapse_share, phase_share = 0.5, 0.5
    has_square = False
    points = SEVENTH_DEGREE

    def budget(self, count: int) -> Budget:
        return Budget(complex_normals=count)

    def normals(self, noise: StepNoise) -> tuple[jax.Array, ...]:
        return noise.complex_normals.real, noise.complex_normals.imag

    def increments(self, noise: StepNoise, dt: jax.Array) -> jax.Array:
        return noise.complex_normals * np.sqrt(0.5).astype(noise.complex_normals.real.dtype) * jnp.sqrt(dt)

    def record(self, increments: tuple[jax.Array, ...]) -> jax.Array:
        """dZ = (dY₁ − i dY₂)/√2 = ⟨L⟩dt + dW*, since L dW = L(dW₁ + i dW₂)/√2."""
        first, second = increments
        return np.sqrt(0.5).astype(first.dtype) * lax.complex(first, -second)

    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        """Of L itself: the parts carry the factor 1/√2."""
        return lax.complex(*parts) * psi


@final
@dataclass(frozen=True)
class Unitary(Law):
    """−iL with real noise for Hermitian L: a random potential, which no measurement accompanies."""

    name = "unitary"
    variants = (-1j,)
    collapse_share, phase_share = 0.0, 1.0
    needs_hermitian = True

    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        (angle,) = parts
        return lax.complex(angle * psi.imag, -angle * psi.real)


@final
@dataclass(frozen=True)
class Jump(Law):
    r"""Quantum jumps: the law of a record of clicks, which no Wiener process drives.

    $$\frac{d\tilde\psi}{dt} = -\frac i\hbar H_{\rm eff}\tilde\psi,\quad
      H_{\rm eff} = H - \frac{i\hbar}2\sum_kL_k^\dagger L_k, \qquad
      \psi\to\frac{L_k\psi}{\|L_k\psi\|}\ \text{at the rate}\ \|L_k\psi\|^2$$

    (Dalibard, Castin and Mølmer 1992). An equation of jumps alone is followed without a time step.
    """

    name = "jump"
    variants = (1 + 0j,)
    collapse_share, phase_share = 1.0, 0.0
    counts = True

    def budget(self, count: int) -> Budget:
        raise ValueError(_NO_INCREMENTS)

    def increments(self, noise: StepNoise, dt: jax.Array) -> jax.Array:
        raise ValueError(_NO_INCREMENTS)

    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        raise ValueError(_NO_INCREMENTS)


@final
@dataclass(frozen=True)
class AnyLaw(Law):
    """Left open: averages of operators are the same under all laws, and `simulate` takes the one that is cheapest."""

    name = "any"
    variants = (1 + 0j,)
    collapse_share, phase_share = 1.0, 0.0

    def budget(self, count: int) -> Budget:
        raise ValueError(LEFT_OPEN)

    def normals(self, noise: StepNoise) -> tuple[jax.Array, ...]:
        raise ValueError(LEFT_OPEN)

    def increments(self, noise: StepNoise, dt: jax.Array) -> jax.Array:
        raise ValueError(LEFT_OPEN)

    def times(self, parts: list[jax.Array], psi: jax.Array) -> jax.Array:
        raise ValueError(LEFT_OPEN)


LEFT_OPEN = (
    "noise: expected a law that is named; 'any' is chosen by sq.simulate, for averages of operators. Take 'real', "
    "'complex', 'unitary' or 'jump'."
)
_NO_INCREMENTS = "noise: 'jump' has clicks and no increments of a Wiener process. Use sq.schemes.Strang(), or 'real'."
REAL, COMPLEX, UNITARY, JUMP, ANY = Real(), Complex(), Unitary(), Jump(), AnyLaw()
_LAWS: dict[str, Law] = {law.name: law for law in (REAL, COMPLEX, UNITARY, JUMP, ANY)}


def law_of(noise: object) -> Law:
    """The law that a user's word names; a law is itself.

    Raises:
        ValueError: for a word that names none.

    >>> law_of("complex")
    Complex()
    """
    if isinstance(noise, Law):
        return noise
    if not isinstance(noise, str) or noise not in _LAWS:
        raise ValueError(f"noise: expected one of {', '.join(_LAWS)}; got {noise!r}.")
    return _LAWS[noise]
