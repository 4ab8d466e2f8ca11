"""Independent answers from plain numpy and scipy: nothing here uses the library."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm


def liouvillian(hamiltonian: np.ndarray, operators: Sequence[np.ndarray], hbar: float = 1.0) -> np.ndarray:
    """The Lindblad generator on row-major vectors of ρ, where A ρ B becomes A ⊗ Bᵀ."""
    one = np.eye(len(hamiltonian))
    total = -1j / hbar * (np.kron(hamiltonian, one) - np.kron(one, hamiltonian.T))
    for operator in operators:
        square = operator.conj().T @ operator
        total += np.kron(operator, operator.conj()) - 0.5 * (np.kron(square, one) + np.kron(one, square.T))
    return total


def by_liouvillian(
    hamiltonian: np.ndarray, operators: Sequence[np.ndarray], rho: np.ndarray, times: np.ndarray, hbar: float = 1.0
) -> np.ndarray:
    """Density matrices (time, dim, dim) from the exponential of the whole generator."""
    generator, vector = liouvillian(hamiltonian, operators, hbar), np.asarray(rho, complex).reshape(-1)
    return np.stack([(expm(generator * (t - times[0])) @ vector).reshape(rho.shape) for t in times])


def by_integration(slope: Callable[[float, np.ndarray], np.ndarray], rho: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Density matrices (time, dim, dim) of dρ/dt = slope(t, ρ) by DOP853 with tight tolerances."""
    shape = rho.shape

    def flat(t: float, y: np.ndarray) -> np.ndarray:
        return slope(t, y.reshape(shape)).reshape(-1)

    start = np.asarray(rho, complex).reshape(-1)
    solution = solve_ivp(flat, (times[0], times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-13)
    return solution.y.T.reshape(-1, *shape)


def dissipator(operator: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """L ρ L† − ½{L†L, ρ}."""
    square = operator.conj().T @ operator
    return operator @ rho @ operator.conj().T - 0.5 * (square @ rho + rho @ square)


def projector(state: np.ndarray) -> np.ndarray:
    """|ψ⟩⟨ψ|."""
    return np.outer(state, np.conj(state))


def random_hermitian(dim: int, seed: int) -> np.ndarray:
    """A Hermitian matrix with elements of order one."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    return 0.5 * (matrix + matrix.conj().T)


def random_unitary(dim: int, seed: int) -> np.ndarray:
    """A unitary matrix without structure."""
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim)))[0]


def random_state(dim: int, seed: int) -> np.ndarray:
    """A normalised state."""
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=dim) + 1j * rng.normal(size=dim)
    return psi / np.linalg.norm(psi)


def random_density(dim: int, seed: int) -> np.ndarray:
    """A density matrix of full rank."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    rho = root @ root.conj().T
    return rho / np.trace(rho).real


def lowering(dim: int) -> np.ndarray:
    """The annihilation operator in the Fock basis."""
    return np.diag(np.sqrt(np.arange(1.0, dim)), 1)


def periodic_kinetic(points: int, length: float, mass: float = 1.0, hbar: float = 1.0) -> np.ndarray:
    """p²/2m on a periodic grid, from the plane waves one by one."""
    x = np.arange(points) * length / points
    matrix = np.zeros((points, points), complex)
    for n in range(-(points // 2), (points + 1) // 2):
        k = 2 * np.pi * n / length
        matrix += (hbar * k) ** 2 / (2 * mass) * projector(np.exp(1j * k * x) / np.sqrt(points))
    return matrix


def factors(kernel: np.ndarray) -> list[np.ndarray]:
    """Diagonal operators diag(F_k) with Σ_k F_ki F_kj = kernel_ij."""
    values, vectors = np.linalg.eigh(kernel)
    return [np.diag(np.sqrt(max(value, 0.0)) * vector) for value, vector in zip(values, vectors.T, strict=True)]


def gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Derivatives (n,) at a point (n,) by central differences of fourth order."""
    found = np.zeros(len(at))
    for place, value in enumerate(at):
        step = 1e-3 * max(abs(value), 0.1)
        near, far = (
            (function(at + h * np.eye(len(at))[place]) - function(at - h * np.eye(len(at))[place])) / (2 * h)
            for h in (step, 2 * step)
        )
        found[place] = (4 * near - far) / 3
    return found
