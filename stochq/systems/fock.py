"""Oscillators in a truncated Fock basis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float

from stochq.arrays import Array, ComplexNumber, Number, as_real, is_concrete
from stochq.systems import fock_states
from stochq.systems.banded import Banded
from stochq.systems.checks import check_count, check_number
from stochq.systems.fock_states import LARGEST_CUTOFF
from stochq.systems.hamiltonian import Diagonal, DiagonalHamiltonian
from stochq.systems.margins import Margin, fock_margin
from stochq.systems.observables import Catalogue, LazyMapping


def annihilation_band(cutoff: int) -> np.ndarray:
    """Elements (dim,) of the annihilation operator: (a psi)_n = band_n psi_{n+1}, so band_n = sqrt(n + 1), last 0."""
    return np.append(np.sqrt(np.arange(1.0, cutoff)), 0.0)


def quadrature(cutoff: int, scale: Number, sign: int) -> Array:
    """The matrix scale (a + a^dagger) for sign +1, i scale (a^dagger - a) for sign -1."""
    lower = np.diag(annihilation_band(cutoff)[:-1], 1)
    return scale * (lower + lower.T) if sign > 0 else 1j * scale * (lower.T - lower)


def quadrature_squared(cutoff: int, scale: Number, sign: int) -> Array:
    """Square of a quadrature; the square of the whole operator is truncated, not that of the truncated one."""
    n = np.arange(float(cutoff))
    pairs = np.sqrt((n[:-2] + 1) * (n[:-2] + 2))
    return scale**2 * (np.diag(2 * n + 1) + sign * (np.diag(pairs, 2) + np.diag(pairs, -2)))


def quadratures(cutoff: int, position: Number, momentum: Number) -> dict[str, Callable[[], Array]]:
    """Makers of the observables of an oscillator with x = position (a + a^dagger), p = i momentum (a^dagger - a)."""
    return {
        "number": lambda: np.arange(float(cutoff)),
        "position": partial(quadrature, cutoff, position, 1),
        "momentum": partial(quadrature, cutoff, momentum, -1),
        "position_squared": partial(quadrature_squared, cutoff, position, 1),
        "momentum_squared": partial(quadrature_squared, cutoff, momentum, -1),
    }


class Oscillator(DiagonalHamiltonian):
    """H = hbar omega (n + 1/2) over the Fock states n = 0 ... cutoff - 1; made by `oscillator`, which checks."""

    levels: Array
    frequency: Number
    mass: Number
    hbar: Number
    cutoff: int = eqx.field(static=True)

    @property
    def diagonal(self) -> Array:
        return self.levels

    @property
    def operators(self) -> Mapping[str, Any]:
        """Observables "number", "position", "momentum", "position_squared", "momentum_squared" and "energy"."""
        unit = self.mass * self.frequency
        makers = quadratures(self.cutoff, (self.hbar / (2 * unit)) ** 0.5, (self.hbar * unit / 2) ** 0.5)
        return LazyMapping({**makers, "energy": lambda: self.levels})

    @property
    def conserved(self) -> Mapping[str, Any]:
        return LazyMapping({"number": lambda: np.arange(float(self.cutoff))})

    @property
    def values_of_hbar(self) -> tuple[Number, ...]:
        return (self.hbar,)

    @property
    def margins(self) -> Mapping[str, Margin]:
        return fock_margin(self.cutoff)

    @property
    def annihilation_band(self) -> np.ndarray:
        """Elements sqrt(n + 1) (dim,) of the annihilation operator, (a psi)_n = band_n psi_{n+1}; the last is 0."""
        return annihilation_band(self.cutoff)

    @property
    def annihilation(self) -> Float[np.ndarray, "dim dim"]:
        """The annihilation operator a as a matrix (dim, dim); its transpose is the creation operator."""
        return np.diag(self.annihilation_band[:-1], 1)

    def fock(self, n: int) -> Complex[np.ndarray, " dim"]:
        """Fock state |n>. Raises: ValueError unless n is a whole number below the cutoff."""
        return fock_states.fock(self.cutoff, n)

    def coherent(self, alpha: ComplexNumber, truncate: bool = False) -> Complex[np.ndarray, " dim"]:
        """Coherent state, a|alpha> = alpha|alpha>.

        $$|\\alpha\\rangle = e^{-|\\alpha|^2/2}\\sum_n \\frac{\\alpha^n}{\\sqrt{n!}}\\,|n\\rangle$$

        Mean position sqrt(2 hbar / m omega) Re alpha, mean momentum sqrt(2 hbar m omega) Im alpha.
        truncate: take what lies below the cutoff, normalised, whatever is lost.

        Raises:
            ValueError: if more than 1e-6 of its weight lies at or above the cutoff, without `truncate`.

        >>> round(float(abs(oscillator(20).coherent(1.0)[0]) ** 2), 6)
        0.367879
        """
        return fock_states.coherent(self.cutoff, alpha, truncate)

    def squeezed(self, r: Number, truncate: bool = False) -> Complex[np.ndarray, " dim"]:
        """Squeezed vacuum, its position variance exp(-2r) and momentum variance exp(2r) times those of the vacuum.

        $$|r\\rangle = e^{r(a^2 - a^{\\dagger 2})/2}|0\\rangle
          = \\frac{1}{\\sqrt{\\cosh r}}\\sum_n (-\\tanh r)^n\\frac{\\sqrt{(2n)!}}{2^n n!}\\,|2n\\rangle$$

        truncate: as for `coherent`.

        Raises:
            ValueError: if more than 1e-6 of its weight lies at or above the cutoff, without `truncate`.
        """
        return fock_states.squeezed(self.cutoff, r, truncate)

    def thermal_density(self, nbar: Number, truncate: bool = False) -> Complex[np.ndarray, "dim dim"]:
        """Thermal density matrix with mean number nbar, populations nbar^n / (1 + nbar)^(n + 1).

        truncate: as for `coherent`.

        Raises:
            ValueError: if nbar is negative, or more than 1e-6 of the weight lies at or above the cutoff without
                `truncate`.
        """
        return fock_states.thermal_density(self.cutoff, nbar, truncate)


def oscillator(cutoff: int, frequency: Number = 1.0, mass: Number = 1.0, hbar: Number = 1.0) -> Oscillator:
    """Harmonic oscillator in the Fock states n = 0 ... cutoff - 1.

    $$H = \\hbar\\omega\\left(a^\\dagger a + \\tfrac12\\right),\\quad
      x = \\sqrt{\\tfrac{\\hbar}{2m\\omega}}\\,(a + a^\\dagger),\\quad
      p = i\\sqrt{\\tfrac{\\hbar m\\omega}{2}}\\,(a^\\dagger - a)$$

    cutoff: number of states, up to 4096; frequency: omega in radians per unit of time; mass: m.
    Observables: "number" and "energy" (dim,); "position", "momentum", "position_squared", "momentum_squared"
    (dim, dim). States: `.fock(n)`, `.coherent(alpha)`, `.squeezed(r)`, `.thermal_density(nbar)`.

    Raises:
        ValueError: if the cutoff is below 2 or a parameter is not finite and positive.

    >>> oscillator(3, frequency=2.0).energies.tolist()
    [1.0, 3.0, 5.0]
    """
    cutoff = check_count("cutoff", cutoff, 2, most=LARGEST_CUTOFF)
    for name, value in (("frequency", frequency), ("mass", mass), ("hbar", hbar)):
        check_number(name, value, positive=True)
    frequency, mass, hbar = as_real(frequency), as_real(mass), as_real(hbar)
    return Oscillator(hbar * frequency * (np.arange(cutoff) + 0.5), frequency, mass, hbar, cutoff)


@dataclass(frozen=True)
class FockLevels(Catalogue):
    """A mode of which no observables are known but the energy."""

    cutoff: int

    @property
    def margins(self) -> Mapping[str, Margin]:
        return fock_margin(self.cutoff)

    def operators(self) -> dict[str, Callable[[], Array]]:
        return {}


@dataclass(frozen=True)
class FockCatalogue(Catalogue):
    """Observables of a mode with hbar = m = omega = 1."""

    cutoff: int
    driven: bool

    @property
    def margins(self) -> Mapping[str, Margin]:
        return fock_margin(self.cutoff)

    def operators(self) -> dict[str, Callable[[], Array]]:
        return quadratures(self.cutoff, 0.5**0.5, 0.5**0.5)

    def conserved(self) -> dict[str, Callable[[], Array]]:
        return {} if self.driven else {"number": self.operators()["number"]}


def kerr(cutoff: int, detuning: Number, kerr: Number, drive: Number = 0.0) -> Banded | Diagonal:
    """Kerr oscillator in the frame of its drive.

    $$H = \\Delta\\,a^\\dagger a + \\tfrac{K}{2}\\,a^{\\dagger 2}a^2 + F\\,(a + a^\\dagger)$$

    cutoff: number of Fock states, up to 4096; detuning: Delta, kerr: K, drive: F, in energy units. Without drive the
    Hamiltonian is diagonal. Observables as for `oscillator` with x = (a + a^dagger)/sqrt(2).

    Raises:
        ValueError: if the cutoff is below 2 or a parameter is not finite.

    >>> kerr(3, detuning=1.0, kerr=0.5).energies.tolist()
    [0.0, 1.0, 2.5]
    """
    cutoff = check_count("cutoff", cutoff, 2, most=LARGEST_CUTOFF)
    for name, value in (("detuning", detuning), ("kerr", kerr), ("drive", drive)):
        check_number(name, value)
    n = np.arange(float(cutoff))
    diagonal = as_real(detuning) * n + as_real(kerr) * (n * (n - 1) / 2)
    undriven = is_concrete(drive) and float(drive) == 0.0
    catalogue = FockCatalogue(cutoff, driven=not undriven)
    if undriven:
        return Diagonal(diagonal, catalogue)
    lower = as_real(drive) * annihilation_band(cutoff)
    raised = as_real(drive) * np.sqrt(n)
    bands = [raised, diagonal, lower]
    return Banded((-1, 0, 1), (np.stack if is_concrete(bands) else jnp.stack)(bands), catalogue)
