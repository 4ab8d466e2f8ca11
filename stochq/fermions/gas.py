"""Free fermions in a periodic box under the noise of spontaneous localization, taken as a random potential."""

from typing import final

import numpy as np

from stochq.arrays import ArrayLike, Number, Times
from stochq.fermions import heating
from stochq.fermions.canonical import draw_occupied
from stochq.models.checks import positive, rate
from stochq.module import Module
from stochq.noise import Coloured
from stochq.systems.checks import check_count, check_number, shape_of
from stochq.systems.fourier import wave_numbers
from stochq.systems.grid import Particle

# Waves of the noise weaker than this fraction of the strongest are left out, of the simulation and of the formulas.
WEAKEST = 1e-12
# Waves above this fraction of the grid's largest are at its edge.
REACH = 0.9
# Of all waves of the noise, those up to this fraction hold all but some 1e-9 of it.
STRONG = 0.85


@final
class FermionGas(Module):
    r"""N fermions in a box of length L under a random potential; made by `fermion_gas`, which checks its arguments.

    $$H = \sum_k\varepsilon_k\,b_k^\dagger b_k + \hbar\int w(x,t)\,n(x)\,dx, \qquad
      E[w(x,t)w(y,s)] = D(t-s)\sum_q\kappa_qe^{iq(x-y)}$$

    Waves are numbered by n = kL/2π. `strengths` holds κ of n = 1 ... waves; $\kappa_{-q} = \kappa_q$, and q = 0 does
    nothing.
    """

    wave_numbers: np.ndarray
    kinetic: np.ndarray
    strengths: np.ndarray
    box: float
    mass: float
    hbar: float
    colour: Coloured | None

    @property
    def modes(self) -> int:
        """Plane waves that a particle can be in."""
        return self.wave_numbers.size

    @property
    def waves(self) -> int:
        """Waves ±q of the noise."""
        return self.strengths.size

    def fermi_sea(self, particles: int) -> np.ndarray:
        """Wave numbers (N,) of the ground state. For even N it is degenerate: the wave that is odd out runs right.

        >>> import stochq as sq
        >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
        >>> gas.fermi_sea(4).tolist()
        [0, 1, -1, 2]
        """
        particles = check_count("particles", particles, 1, most=self.modes - 1)
        ranks = np.arange(1, particles + 1)
        return np.where(ranks % 2 == 0, ranks // 2, -(ranks // 2))

    def thermal(self, particles: int, temperature: float, seed: int = 0) -> np.ndarray:
        """Wave numbers (N,) drawn from the canonical ensemble, P ∝ exp(−Σε/T), T in units of energy.

        >>> import stochq as sq
        >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
        >>> len(set(gas.thermal(4, temperature=0.5).tolist()))
        4
        """
        check_number("temperature", temperature, positive=True)
        inside = self.wave_numbers[np.abs(self.wave_numbers) <= self.most_occupied]
        particles = check_count("particles", particles, 1, most=inside.size)
        energies = self.kinetic[inside % self.modes]
        return inside[draw_occupied(energies / temperature, particles, np.random.default_rng(seed))]

    def heating(self, occupied: ArrayLike) -> float:
        r"""Heating power per particle, `fermi-heating` eq. 13 on the box: a sum over its waves for the integral.

        $$P = \frac1N\sum_k\mathcal N(k)\sum_q\kappa_q\,S(\bar\omega)\,\hbar\bar\omega, \qquad
          \bar\omega = \frac{\hbar}{2m}(q^2+2kq)$$

        occupied: wave numbers (N,). S: the spectrum of the noise, 1 for white noise. There 2kq cancels and every
        particle gains Σκ_qħ²q²/2m, whatever the occupation, at any time and to all orders in the rate. For coloured
        noise this is the first order in the rate, at times far beyond the correlation time.

        Raises:
            ValueError: for waves that are repeated or too fast for the grid.

        >>> import stochq as sq
        >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
        >>> bool(np.isclose(gas.heating(gas.fermi_sea(7)), gas.heating([0])))
        True
        """
        return heating.heating(self, occupied)

    def energy_gain(self, occupied: ArrayLike, times: Times) -> np.ndarray:
        r"""Mean energy gained per particle until each time, (T,), 0 at the first.

        White noise: exact on the grid to all orders in the rate, whatever leaves the grid and folds back included.
        Momenta are distributed with a characteristic function whose points do not mix:

        $$\chi(x,t) = e^{-\Gamma(x)t}\chi(x,0), \qquad \Gamma(x)=\sum_q\kappa_q(1-\cos qx)$$

        Coloured noise of correlation C: first order in the rate at any time, eq. 12 before t → ∞:

        $$\Delta E = \frac1N\sum_k\mathcal N(k)\sum_q\kappa_q\hbar\bar\omega\;
          2\int_0^t(t-s)\,C(s)\cos\bar\omega s\,ds$$

        Raises:
            ValueError: for times that do not increase and waves that are repeated or too fast for the grid.

        >>> import stochq as sq
        >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
        >>> gas.energy_gain([0], [0.0, 2.0]).round(6).tolist()
        [0.0, 0.25]
        """
        return heating.energy_gain(self, occupied, times)

    def step_bias(self, occupied: ArrayLike, dt: float) -> float:
        r"""Relative error of the simulated heating from steps of length dt, to first order in the rate.

        A step acts with the integral of the noise over dt at once, so that the spectrum is averaged over dt and
        sampled. White noise stays white: its heating has no such error.

        $$S_{dt}(\omega)=\sum_jS(\omega_j)\,\mathrm{sinc}^2\frac{\omega_jdt}{2}, \qquad \omega_j=\omega+2\pi j/dt$$

        Raises:
            ValueError: for a dt that is not positive.

        >>> import stochq as sq
        >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
        >>> gas.step_bias([0], 0.1)
        0.0
        """
        return heating.step_bias(self, occupied, dt)

    def frequency_scale(self, occupied: ArrayLike) -> float:
        """Root mean square of the frequencies ω̄ of the transitions that noise makes from the occupied waves."""
        return heating.frequency_scale(self, occupied)

    @property
    def most_occupied(self) -> int:
        """The largest |n| from which a kick of the noise stays on the grid, but for some 1e-9 of it."""
        return (self.modes - 1) // 2 - int(STRONG * self.waves)

    def check_occupied(self, occupied: ArrayLike) -> np.ndarray:
        """Wave numbers as integers (N,); ValueError for repeated ones or those too near the grid's largest."""
        shape = shape_of("occupied", occupied)
        found = np.asarray(occupied)
        if len(shape) != 1 or not shape[0] or not np.array_equal(found, np.rint(found.astype(float))):
            raise ValueError(f"occupied: expected whole numbers n of waves 2πn/L, shape (N,); got {occupied!r}.")
        numbers, counts = np.unique(found.astype(int), return_counts=True)
        if counts.max() > 1:
            raise ValueError(f"occupied: expected distinct waves; {numbers[counts.argmax()]} holds two fermions.")
        if np.abs(numbers).max() > self.most_occupied:
            raise ValueError(
                f"occupied: expected |n| of at most {self.most_occupied}, from where the noise does not reach beyond "
                f"the grid; got {np.abs(numbers).max()}. Take more points on the same length."
            )
        return found.astype(int)

    def pattern(self) -> np.ndarray:
        """The waves of the potential at the points, (modes, 2 waves): √(2κ) cos qx, then √(2κ) sin qx."""
        angles = 2 * np.pi * np.outer(np.arange(self.modes), np.arange(1, self.waves + 1)) / self.modes
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt(2 * np.tile(self.strengths, 2))


def fermion_gas(
    particle: Particle, *, rate: float, length: float, reference_mass: float = 1.0, colour: Coloured | None = None
) -> FermionGas:
    r"""Fermions under the unitary noise of continuous spontaneous localization (`fermi-heating` eqs. 2–4, A3).

    $$\kappa_q = \lambda\Big(\frac{m}{m_0}\Big)^2\frac{\sqrt{4\pi}\,r_C}{L}\,e^{-q^2r_C^2}, \qquad q=\frac{2\pi n}{L}$$

    These are the Fourier coefficients of $\lambda(m/m_0)^2e^{-x^2/4r_C^2}$ repeated with the period of the box.

    particle: a free one in one dimension; its points are the modes. rate: λ; length: r_C; reference_mass: m0.
    colour: a process such as `sq.noise.OrnsteinUhlenbeck` for every wave of the noise; None is white noise.

    Raises:
        ValueError: for a particle in a potential or in more dimensions, for a box shorter than 4 r_C, for a grid that
            cannot hold what one kick does to a particle at rest, and for parameters that are not positive.

    >>> import stochq as sq
    >>> gas = sq.models.fermion_gas(sq.systems.particle(64, 20.0, 1.0), rate=0.5, length=1.0)
    >>> round(gas.heating(gas.fermi_sea(5)), 6)
    0.125
    """
    _check_free(particle)
    box, smearing = float(particle.length), float(positive("length", length))
    scaled = float(_rate(rate) * (particle.mass / positive("reference_mass", reference_mass)) ** 2)
    if box < 4 * smearing:
        raise ValueError(f"length: expected at most a quarter of the box, {box / 4:g}; got {smearing:g}.")
    waves = int(np.sqrt(-np.log(WEAKEST)) / smearing * box / (2 * np.pi))
    if waves > REACH * particle.points / 2:
        enough = int(np.ceil(2 * waves / REACH))
        raise ValueError(
            f"length: noise of width {smearing:g} kicks a particle by up to {waves} units of 2π/L, more than the "
            f"{particle.points} points hold. Take at least {enough} points, or a larger length."
        )
    q = 2 * np.pi / box * np.arange(1, waves + 1)
    strengths = scaled * np.sqrt(4 * np.pi) * smearing / box * np.exp(-((q * smearing) ** 2))
    numbers = wave_numbers(particle.points, 1)[0]
    kinetic = np.asarray(particle.kinetic, dtype=np.float64)
    return FermionGas(numbers, kinetic, strengths, box, float(particle.mass), float(particle.hbar), colour)


def _rate(value: Number) -> Number:
    return rate("rate", value)


def _check_free(particle: Particle) -> None:
    if not isinstance(particle, Particle) or particle.dimensions != 1 or np.any(np.asarray(particle.potential)):
        raise ValueError(
            f"particle: expected a free particle in one dimension; got {type(particle).__name__}. "
            "Use sq.systems.particle(points, length, mass)."
        )
