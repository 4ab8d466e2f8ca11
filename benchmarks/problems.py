"""The problems that are timed, each stated twice: as a stochq equation and in plain numpy for everybody else.

The plain statement is the Hamiltonian and the list of jump operators with the square roots of their rates inside, as
dynamiqs and QuTiP take them; it uses nothing of stochq, so that agreement of the results means something.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Target:
    """A figure to be reached: at least `ratio` times dynamiqs, or at most `microseconds` per trajectory-step.

    scheme: whose time counts, "default" or "euler"; dynamiqs always steps with Euler and Maruyama.
    """

    scheme: str
    ratio: float | None = None
    microseconds: float | None = None


@dataclass(frozen=True)
class Statement:
    """hamiltonian (dim, dim), jumps: list of (dim, dim) with the rates inside, psi0 (dim,), observable (dim,)."""

    hamiltonian: np.ndarray
    jumps: list[np.ndarray]
    psi0: np.ndarray
    observable: np.ndarray


@dataclass(frozen=True)
class Problem:
    """One row of the table.

    equation: () -> stochq.Equation. state: () -> Statement. batches: the (layout, trajectories) that dynamiqs is
    offered, of which its fastest counts. cannot: {library: why it is not run}. target: the figure to be reached.
    """

    name: str
    title: str
    dim: int
    operators: int
    dt: float
    steps: int
    equation: Callable[[], Any]
    state: Callable[[], Statement]
    batches: tuple[tuple[str, int], ...] = ()
    cannot: tuple[tuple[str, str], ...] = ()
    target: Target | None = None

    @property
    def times(self) -> np.ndarray:
        """Six saved times, the start included."""
        return np.linspace(0.0, self.steps * self.dt, 6)


def _hopping(dim: int) -> np.ndarray:
    """A chain of levels with a ladder of energies and hopping between neighbours."""
    return np.diag(0.1 * np.arange(dim)) - 0.5 * (np.eye(dim, k=1) + np.eye(dim, k=-1))


def _unit(dim: int, row: int, column: int, value: float) -> np.ndarray:
    matrix = np.zeros((dim, dim))
    matrix[row, column] = value
    return matrix


def _suv_equation(dim: int) -> Any:
    import stochq as sq

    return sq.models.suv(sq.systems.levels(_hopping(dim)), strength=1.0)


def _suv_statement(dim: int) -> Statement:
    jumps = [_unit(dim, k, k, 1.0) for k in range(dim)]
    psi0 = np.ones(dim) / np.sqrt(dim)
    return Statement(_hopping(dim), jumps, psi0, np.arange(dim) / (dim - 1))


def _spectrum(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies and canonical weights of a bounded spectrum."""
    energies = 2.0 * np.arange(dim) / (dim - 1)
    weights = np.exp(-energies)
    return energies, weights / weights.sum()


def _oqt_equation(dim: int) -> Any:
    import stochq as sq

    energies, weights = _spectrum(dim)
    return sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=weights)


def _oqt_statement(dim: int) -> Statement:
    energies, weights = _spectrum(dim)
    jumps = [_unit(dim, mu, nu, np.sqrt(weights[mu])) for mu in range(dim) for nu in range(dim)] if dim <= 64 else []
    psi0 = np.ones(dim) / np.sqrt(dim)
    return Statement(np.diag(energies), jumps, psi0, energies)


_SITES = 8


def _sui_equation() -> Any:
    import stochq as sq

    chain = sq.systems.ising(_SITES, coupling=1.0, transverse=0.9, longitudinal=0.4)
    return sq.models.sui(chain, reduction=0.5, thermalization=0.5, equilibrium=sq.canonical(chain, 0.5))


def _sui_statement() -> Statement:
    """Spins tilted from the field; 65 792 jump operators, which nobody writes down."""
    states = np.arange(2**_SITES)
    up = _SITES - np.array([int(state).bit_count() for state in states])
    psi0 = np.cos(0.3) ** up * np.sin(0.3) ** (_SITES - up)
    return Statement(np.zeros((0, 0)), [], psi0, (2 * up - _SITES) / _SITES)


_SPACING, _COLLAPSE_LENGTH, _TRAP = 0.25, 1.0, 0.2


def _csl_equation(points: int) -> Any:
    import stochq as sq

    particle = sq.systems.particle(points, points * _SPACING, mass=1.0, potential=sq.systems.harmonic(_TRAP))
    return sq.models.csl(particle, rate=1.0, length=_COLLAPSE_LENGTH)


def _csl_statement(points: int) -> Statement:
    length = points * _SPACING
    x = (np.arange(points) - points / 2) * _SPACING
    momenta = 2 * np.pi * np.fft.fftfreq(points, _SPACING)
    kinetic = np.fft.ifft(momenta[:, None] ** 2 / 2 * np.fft.fft(np.eye(points), axis=0), axis=0)
    hamiltonian = kinetic + np.diag(_TRAP**2 * x**2 / 2)
    distance = (x[:, None] - x[None, :])[..., None] + length * np.arange(-2, 3)
    kernel = np.exp(-(distance**2) / (4 * _COLLAPSE_LENGTH**2)).sum(axis=-1)
    values, vectors = np.linalg.eigh(kernel / kernel[0, 0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    psi0 = np.exp(-((x + 1.5) ** 2)) + np.exp(-((x - 2.5) ** 2))
    return Statement((hamiltonian + hamiltonian.conj().T) / 2, [np.diag(row) for row in root], _normalized(psi0), x)


_CUTOFF, _KERR, _DRIVE, _LOSS = 64, 0.02, 0.5, 1.0


def _annihilation() -> np.ndarray:
    return np.diag(np.sqrt(np.arange(1.0, _CUTOFF)), 1)


def _kerr_equation() -> Any:
    import stochq as sq

    cavity = sq.systems.kerr(_CUTOFF, detuning=0.0, kerr=_KERR, drive=_DRIVE)
    return sq.models.unravel(cavity, [np.sqrt(_LOSS) * _annihilation()])


def _kerr_statement() -> Statement:
    a, number = _annihilation(), np.arange(float(_CUTOFF))
    hamiltonian = np.diag(_KERR / 2 * number * (number - 1)) + _DRIVE * (a + a.T)
    # The even superposition of |±2>: photon loss picks a side and a phase, so that the record matters.
    amplitudes = np.zeros(_CUTOFF)
    amplitudes[0] = 1.0
    for n in range(1, _CUTOFF):
        amplitudes[n] = amplitudes[n - 1] * 2.0 / np.sqrt(n)
    amplitudes[1::2] = 0.0
    return Statement(hamiltonian, [np.sqrt(_LOSS) * a], _normalized(amplitudes), number)


def _normalized(psi: np.ndarray) -> np.ndarray:
    return psi / np.linalg.norm(psi)
