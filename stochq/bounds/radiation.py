"""X-rays that shaken charges emit."""

import math

import numpy as np

from stochq.arrays import ArrayLike, as_real
from stochq.bounds.checks import positive, positive_lengths
from stochq.constants import (
    BOHR_RADIUS,
    ELEMENTARY_CHARGE,
    HBAR,
    LIGHT_SPEED,
    REFERENCE_MASS,
    VACUUM_PERMITTIVITY,
)

# Molière's fit to the screening of Thomas and Fermi: weights and inverse lengths (Z. Naturforsch. 2a, 133 (1947)).
MOLIERE = ((0.10, 6.0), (0.55, 1.2), (0.35, 0.3))


def emission_rate(
    energy: ArrayLike, rate: float, length: ArrayLike, squared_charge: float | np.ndarray = 1.0
) -> np.ndarray:
    r"""Photons per second and joule of photon energy that a charge emits under white noise, mass-proportional CSL.

    $$\frac{d\Gamma}{dE}=\frac{\hbar e^2\lambda}{4\pi^2\varepsilon_0c^3m_0^2r_C^2E}\,Q^2$$

    (Q. Fu, Phys. Rev. A 56, 1806 (1997); S. Donadi et al., Eur. Phys. J. C 81, 773 (2021)).

    Args:
        energy: of the photons, J, a number or (energies,).
        rate: λ, 1/s.
        length: r_C in m, larger than the emitter.
        squared_charge: Q² in units of e².

    Raises:
        ValueError: for numbers that are not positive.

    >>> float(emission_rate(1.6e-15, 1e-8, 1e-7)) > 0
    True
    """
    positive("1/s", rate=rate)
    lengths, energies = positive_lengths(length), np.asarray(as_real(energy, "energy"))
    if not np.all((energies > 0) & np.isfinite(energies)):
        raise ValueError(f"energy: expected positive photon energies, in joules; got {energy!r}.")
    charge = ELEMENTARY_CHARGE**2 / (4 * math.pi**2 * VACUUM_PERMITTIVITY * LIGHT_SPEED**3)
    return HBAR * charge * rate / (REFERENCE_MASS * lengths) ** 2 / energies * squared_charge


def atomic_charge(energy: ArrayLike, atomic_number: int) -> np.ndarray:
    r"""The net charge with which an atom emits, in units of e: $$Z-F(k)$$, k = E/ħc.

    The noise gives all of a small atom the same acceleration, so that electrons undo what the nucleus radiates at
    wavelengths beyond the atom. F is the form factor of the electrons, here of Molière's Thomas-Fermi atom; what they
    radiate incoherently is left out, which makes a bound weaker and safer.

    Args:
        energy: of the photons, J, a number or (energies,).
        atomic_number: Z.

    >>> bool(atomic_charge(1e-18, 54) < 0.01 < 53 < atomic_charge(1e-12, 54))
    True
    """
    size = 0.5 * (3 * math.pi / 4) ** (2 / 3) * BOHR_RADIUS / atomic_number ** (1 / 3)
    wave = np.asarray(energy, dtype=np.float64) / (HBAR * LIGHT_SPEED) * size
    shares = [weight * wave**2 / (wave**2 + inverse**2) for weight, inverse in MOLIERE]
    return atomic_number * np.sum(shares, axis=0)
