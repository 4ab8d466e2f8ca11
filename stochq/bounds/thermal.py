"""Experiments with heat and radiation: cold solids, planets and stars, X-ray detectors."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stochq.bounds.experiment import Experiment, quantity
from stochq.bounds.gases import FermiGas
from stochq.bounds.heating import Phonons, heating_ratios
from stochq.bounds.mechanics import at_frequency
from stochq.bounds.radiation import atomic_charge, emission_rate
from stochq.bounds.spectra import Spectrum
from stochq.constants import GRAVITATION, HBAR, NEUTRON_MASS, REFERENCE_MASS, STEFAN_BOLTZMANN
from stochq.systems.checks import check_count


def _heat(lengths: np.ndarray) -> np.ndarray:
    return 0.75 * (HBAR / REFERENCE_MASS) ** 2 / lengths**2


@dataclass(frozen=True, kw_only=True)
class BulkHeating(Experiment):
    r"""A cold solid that takes up so many watts per kilogram at most: $\tfrac34\hbar^2\lambda/m_0^2r_C^2\le P/M$.

    power_per_mass: W/kg; sound_speed: of longitudinal sound, in m/s, which a spectrum asks for.
    (S. L. Adler and A. Vinante, Phys. Rev. A 97, 052119 (2018).)

    >>> copper = BulkHeating(name="copper", power_per_mass=1e-11, sound_speed=4760.0)
    >>> f"{copper.rate_bound(1e-7):.2e}"
    '3.31e-11'
    """

    power_per_mass: float = quantity("W/kg", 1e-16, 1e-2)
    sound_speed: float = quantity("m/s", 100.0, 3e4)

    @property
    def limit(self) -> float:
        """W/kg."""
        return self.power_per_mass

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return _heat(lengths)

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float | np.ndarray:
        """The mean of the spectrum over the phonons of momenta about ħ/r_C."""
        return heating_ratios(REFERENCE_MASS, lengths, spectrum, Phonons(self.sound_speed))


@dataclass(frozen=True, kw_only=True)
class RadiatingBody(Experiment):
    r"""A planet or star that collapse heats by no more than it radiates, eqs. 16-17 of `fermi-heating`:

    $$\lambda=\frac{16\pi}{3}\frac{m_0^2R^2r_C^2\sigma T^4}{M\hbar^2}$$

    mass: kg; radius: m; temperature: of the black body, in K; sound_speed: m/s, for a spectrum; without one the speed
    √(GM/R) is taken, which is the sound's of matter that holds itself up by pressure. neutrons: a degenerate Fermi
    gas of neutrons takes the place of sound.

    >>> neptune = RadiatingBody(name="Neptune", mass=1.02413e26, radius=2.4764e7, temperature=46.6)
    >>> f"{neptune.power_per_mass():.3e}"
    '2.012e-11'
    """

    mass: float = quantity("kilograms", 1e15, 1e34)
    radius: float = quantity("metres", 1e3, 1e12)
    temperature: float = quantity("kelvin", 1.0, 1e9)
    sound_speed: float | None = quantity("m/s", 100.0, 3e8, default=None)
    neutrons: bool = False

    def power_per_mass(self, stefan_boltzmann: float = STEFAN_BOLTZMANN) -> float:
        """Radiated power per mass in W/kg; the constant is an argument because the paper rounds it to 5.6e-8."""
        return 4 * math.pi * self.radius**2 * stefan_boltzmann * self.temperature**4 / self.mass

    @property
    def limit(self) -> float:
        """W/kg."""
        return self.power_per_mass()

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return _heat(lengths)

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float | np.ndarray:
        """The mean of the spectrum over what takes the energy: sound, or degenerate neutrons."""
        if self.neutrons:
            volume = 4 / 3 * math.pi * self.radius**3
            gas = FermiGas(self.mass / volume / NEUTRON_MASS)
            return heating_ratios(NEUTRON_MASS, lengths, spectrum, gas)
        speed = self.sound_speed or math.sqrt(GRAVITATION * self.mass / self.radius)
        return heating_ratios(REFERENCE_MASS, lengths, spectrum, Phonons(speed))

    def warmth(self) -> float:
        """Its surface; the inside is warmer still."""
        return self.temperature


@dataclass(frozen=True, kw_only=True)
class XRays(Experiment):
    r"""A detector that counts no more photons than it does: the emission of its own atoms, averaged over a band.

    $$\frac{1}{E_2-E_1}\int_{E_1}^{E_2}N\,\frac{d\Gamma}{dE}\,dE\le R$$

    atomic_mass: kg; lowest_energy, highest_energy: the band, in J; count_rate: R in 1/(kg s J). Atoms emit with the
    charge of the nucleus less the electrons that the wavelength does not resolve (`atomic_charge`), or, if
    free_electrons is given, as so many electrons each on its own.

    >>> xenon = XRays(name="xenon", atomic_number=54, atomic_mass=2.18e-25, lowest_energy=1.6e-16,
    ...               highest_energy=4.8e-15, count_rate=3.5e6)
    >>> bool(1e-18 < xenon.rate_bound(1e-7) < 1e-15)
    True
    """

    atomic_number: int
    atomic_mass: float = quantity("kilograms", 1e-27, 1e-24)
    lowest_energy: float = quantity("joules", 1e-18, 1e-11)
    highest_energy: float = quantity("joules", 1e-18, 1e-11)
    count_rate: float = quantity("counts per kilogram, second and joule", 1e2, 1e17)
    free_electrons: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("atomic_number", self.atomic_number, 1, most=120)
        check_count("free_electrons", self.free_electrons, 0)
        if not 1 <= self.atomic_number <= 120 or not 0 <= self.free_electrons <= self.atomic_number:
            raise ValueError(
                "atomic_number: expected 1 to 120, with no more free_electrons than that; got "
                f"{self.atomic_number} and {self.free_electrons}."
            )
        if not self.lowest_energy < self.highest_energy:
            raise ValueError(
                "highest_energy: expected more than lowest_energy, in joules; got "
                f"{self.highest_energy!r} and {self.lowest_energy!r}."
            )

    @property
    def limit(self) -> float:
        """Counts per kilogram, second and joule."""
        return self.count_rate

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return self._mean(lambda energies: 1.0) / lengths**2

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float | np.ndarray:
        """The spectrum at ω = E/ħ, averaged over the band as the photons are."""
        return self._mean(lambda energies: at_frequency(spectrum, energies / HBAR)) / self._mean(lambda energies: 1.0)

    def _mean(self, factor: Callable[[np.ndarray], float | np.ndarray]) -> float:
        nodes, weights = np.polynomial.legendre.leggauss(60)
        span = math.log(self.highest_energy / self.lowest_energy)
        energies = self.lowest_energy * np.exp(span * (nodes + 1) / 2)
        charge = self.free_electrons or atomic_charge(energies, self.atomic_number) ** 2
        rates = emission_rate(energies, 1.0, 1.0, charge) / self.atomic_mass * factor(energies)
        return float(np.sum(weights * span / 2 * energies * rates) / (self.highest_energy - self.lowest_energy))
