"""Experiments with things that move: masses in free fall, cantilevers, clouds of atoms."""

from dataclasses import dataclass

import numpy as np

from stochq.arrays import ArrayLike
from stochq.bounds.experiment import Experiment, quantity
from stochq.bounds.memory import remembered
from stochq.bounds.rigid import RigidBody, force_noise
from stochq.bounds.spectra import Spectrum, evaluate
from stochq.constants import HBAR, REFERENCE_MASS


def at_frequency(spectrum: Spectrum, angular: ArrayLike) -> np.ndarray:
    """The spectrum at an angular frequency or several, checked."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        return np.asarray(evaluate(spectrum, jnp.asarray(angular, dtype=jnp.float64)))


@dataclass(frozen=True, kw_only=True)
class ForceNoise(Experiment):
    r"""The force on a rigid body, not quieter than collapse makes it: $2\hbar^2\eta\le S_F$, one-sided.

    body: a `Sphere` or `Cuboid`; force_noise: √S_F in N/√Hz; frequency: where it was measured, in Hz.

    >>> from stochq.bounds.rigid import Sphere
    >>> magnet = ForceNoise(name="magnet", body=Sphere(1e-10, 15e-6), force_noise=1e-18, frequency=1e3)
    >>> bool(1e-9 < magnet.rate_bound(1e-7) < 1e-7)
    True
    """

    body: RigidBody
    force_noise: float = quantity("N/√Hz", 1e-24, 1e-6)
    frequency: float = quantity("Hz", 1e-6, 1e9)

    @property
    def limit(self) -> float:
        """S_F in N²/Hz."""
        return self.force_noise**2

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return force_noise(self.body, 1.0, lengths)

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float:
        """The spectrum at the frequency of the measurement: a heavy body has no recoil to speak of."""
        return float(at_frequency(spectrum, 2 * np.pi * self.frequency))


@dataclass(frozen=True, kw_only=True)
class AccelerationNoise(Experiment):
    r"""The difference of the accelerations of two equal free bodies: $2\times2\hbar^2\eta/M^2\le S_a$, one-sided.

    body: a `Sphere` or `Cuboid`; acceleration_noise: √S_a in m s⁻²/√Hz; frequency: where it was measured, in Hz.
    (B. Helou et al., Phys. Rev. D 95, 084054 (2017); M. Carlesso et al., Phys. Rev. D 94, 124036 (2016).) The bodies
    are farther apart than r_C: noise that both feel alike would cancel.

    >>> from stochq.bounds.rigid import Cuboid
    >>> cube = Cuboid(1.928, (0.046, 0.046, 0.046))
    >>> pair = AccelerationNoise(name="pair", body=cube, acceleration_noise=5.2e-15, frequency=1e-3)
    >>> f"{pair.rate_bound(1e-7):.2e}"
    '2.99e-08'
    """

    body: RigidBody
    acceleration_noise: float = quantity("m s⁻²/√Hz", 1e-17, 1e-3)
    frequency: float = quantity("Hz", 1e-6, 1e6)

    @property
    def limit(self) -> float:
        """S_a in m² s⁻⁴/Hz."""
        return self.acceleration_noise**2

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return 2 * force_noise(self.body, 1.0, lengths) / self.body.mass**2

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float:
        """The spectrum at the frequency of the measurement."""
        return float(at_frequency(spectrum, 2 * np.pi * self.frequency))


@dataclass(frozen=True, kw_only=True)
class Expansion(Experiment):
    r"""A cloud of cold atoms that flies apart in a time t as if its temperature were T:

    $$\langle x^2\rangle_{CSL}=\frac{\lambda\hbar^2t^3}{6m_0^2r_C^2}\le\frac{k_BT}{m}t^2$$

    atomic_mass: kg; temperature: K; time: s. For r_C below the size of the cloud, and above that of a nucleus.

    >>> cloud = Expansion(name="cloud", atomic_mass=1.44e-25, temperature=1e-10, time=1.8)
    >>> bool(1e-8 < cloud.rate_bound(1e-7) < 1e-6)
    True
    """

    atomic_mass: float = quantity("kilograms", 1e-27, 1e-15)
    temperature: float = quantity("kelvin", 1e-14, 1.0)
    time: float = quantity("seconds", 1e-6, 1e4)

    @property
    def limit(self) -> float:
        """The spread in m²."""
        from stochq.constants import BOLTZMANN

        return BOLTZMANN * self.temperature / self.atomic_mass * self.time**2

    def effect(self, lengths: np.ndarray) -> np.ndarray:
        """See `Experiment.effect`."""
        return self.time**3 / 6 * (HBAR / (REFERENCE_MASS * lengths)) ** 2

    def coloured(self, spectrum: Spectrum, lengths: np.ndarray) -> float:
        """The mean of the spectrum over the frequencies that displace within the time of flight."""
        return remembered(spectrum, self.time, 1)

    def warmth(self) -> float:
        """The temperature of the cloud."""
        return self.temperature
