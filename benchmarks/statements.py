"""The timed problems in plain numpy: Hamiltonian, list of jump operators, state, observable.

Jump operators carry the square roots of their rates, as dynamiqs and QuTiP take them. Nothing here uses stochq, so
that agreement of the results means something. Parameters that both statements need are the constants below.
"""

from dataclasses import dataclass

import numpy as np

SUV_STRENGTH = 1.0
TUNNELLING = 2.0
RABI, DECAY = 2.0, 1.0
OQT_STRENGTH = 1.0
SUI_COUPLING, SUI_TRANSVERSE, SUI_LONGITUDINAL = 1.0, 0.9, 0.4
SUI_STRENGTH, SUI_BETA = 0.5, 0.5
CSL_SPACING, CSL_RATE, CSL_LENGTH, CSL_TRAP = 0.25, 1.0, 1.0, 0.2
KERR, KERR_DRIVE, KERR_LOSS, KERR_AMPLITUDE = 0.02, 0.5, 1.0, 1.5

# Beyond this dimension nobody writes the transitions down.
LARGEST_LIST = 64


@dataclass(frozen=True)
class Statement:
    """hamiltonian (dim, dim) and jumps, each (dim, dim), None and empty where nobody could use them; psi0 (dim,);
    observable: a diagonal (dim,)."""

    hamiltonian: np.ndarray | None
    jumps: list[np.ndarray]
    psi0: np.ndarray
    observable: np.ndarray


def unit(dim: int, row: int, column: int) -> np.ndarray:
    """|row⟩⟨column|."""
    matrix = np.zeros((dim, dim))
    matrix[row, column] = 1.0
    return matrix


def normalized(psi: np.ndarray) -> np.ndarray:
    return psi / np.linalg.norm(psi)


def hopping(dim: int) -> np.ndarray:
    """Levels on a ladder with hopping between neighbours: it does not commute with the collapse."""
    return np.diag(0.1 * np.arange(dim)) - 0.5 * (np.eye(dim, k=1) + np.eye(dim, k=-1))


def suv(dim: int) -> Statement:
    """Collapse to `dim` levels from their even superposition; the observable is the level, from 0 to 1."""
    jumps = [np.sqrt(SUV_STRENGTH) * unit(dim, k, k) for k in range(dim)]
    return Statement(hopping(dim), jumps, normalized(np.ones(dim)), np.arange(dim) / (dim - 1))


def tunnelling(dim: int) -> Statement:
    """Collapse to `dim` levels while a state that starts in the first tunnels; the observable is its population."""
    first = np.eye(dim)[0]
    return Statement(TUNNELLING * hopping(dim), suv(dim).jumps, first, first)


def rabi() -> np.ndarray:
    return RABI / 2 * np.array([[0.0, 1.0], [1.0, 0.0]])


def homodyne() -> Statement:
    """A driven qubit that decays, its light watched; starts excited, the observable is the excited population."""
    excited = np.array([1.0, 0.0])
    return Statement(rabi(), [np.sqrt(DECAY) * unit(2, 1, 0)], excited, excited)


def spectrum(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies within [0, 2] and their canonical weights."""
    energies = 2.0 * np.arange(dim) / (dim - 1)
    weights = np.exp(-energies)
    return energies, weights / weights.sum()


def oqt(dim: int) -> Statement:
    """Thermalization of the even superposition; the observable is the energy."""
    energies, weights = spectrum(dim)
    rates = OQT_STRENGTH * weights
    pairs = [(mu, nu) for mu in range(dim) for nu in range(dim)] if dim <= LARGEST_LIST else []
    jumps = [np.sqrt(rates[mu]) * unit(dim, mu, nu) for mu, nu in pairs]
    return Statement(np.diag(energies) if pairs else None, jumps, normalized(np.ones(dim)), energies)


def sui(sites: int) -> Statement:
    """Spins tilted from the field; the observable is the magnetization."""
    down = np.array([int(state).bit_count() for state in range(2**sites)])
    psi0 = np.cos(0.3) ** (sites - down) * np.sin(0.3) ** down
    return Statement(None, [], normalized(psi0), 1 - 2 * down / sites)


def relaxing(dim: int) -> Statement:
    """Thermalization from the uppermost level; the observable is the energy."""
    given = oqt(dim)
    return Statement(given.hamiltonian, given.jumps, np.eye(dim)[-1], given.observable)


def csl(points: int) -> Statement:
    """Two packets in a weak trap; the observable is the position. Jumps are the rows of the kernel's root."""
    x = (np.arange(points) - points / 2) * CSL_SPACING
    momenta = 2 * np.pi * np.fft.fftfreq(points, CSL_SPACING)
    kinetic = np.fft.ifft(momenta[:, None] ** 2 / 2 * np.fft.fft(np.eye(points), axis=0), axis=0)
    hamiltonian = kinetic + np.diag(CSL_TRAP**2 * x**2 / 2)
    images = (x[:, None] - x[None, :])[..., None] + points * CSL_SPACING * np.arange(-2, 3)
    kernel = np.exp(-(images**2) / (4 * CSL_LENGTH**2)).sum(axis=-1)
    values, vectors = np.linalg.eigh(CSL_RATE * kernel / kernel[0, 0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    psi0 = np.exp(-((x + 1.5) ** 2)) + np.exp(-((x - 2.5) ** 2))
    return Statement((hamiltonian + hamiltonian.conj().T) / 2, [np.diag(row) for row in root], normalized(psi0), x)


def meeting(points: int) -> Statement:
    """Two packets fly at each other and interfere; the observable is the chance to be between the first minima."""
    x, given = (np.arange(points) - points / 2) * CSL_SPACING, csl(points)
    packets = np.exp(-((x + 2.5) ** 2) / 2 + 2j * x) + np.exp(-((x - 2.5) ** 2) / 2 - 2j * x)
    return Statement(given.hamiltonian, given.jumps, normalized(packets), (np.abs(x) < 0.8).astype(float))


def annihilation(cutoff: int) -> np.ndarray:
    return np.diag(np.sqrt(np.arange(1.0, cutoff)), 1)


def kerr(cutoff: int) -> Statement:
    """A driven Kerr cavity that loses photons, from the superposition |0⟩ + |α⟩; the observable is their number."""
    a, number = annihilation(cutoff), np.arange(float(cutoff))
    hamiltonian = np.diag(KERR / 2 * number * (number - 1)) + KERR_DRIVE * (a + a.T)
    amplitudes = np.cumprod(np.append(1.0, KERR_AMPLITUDE / np.sqrt(number[1:])))
    psi0 = normalized(amplitudes)
    psi0[0] += 1.0
    return Statement(hamiltonian, [np.sqrt(KERR_LOSS) * a], normalized(psi0), number)
