"""From a Liouvillian, a superoperator of QuTiP, to the Hamiltonian and the operators that it is made of."""

from typing import NamedTuple

import numpy as np

# Parts of a superoperator below this fraction of it are rounding.
_ROUNDING = 1e-10
# What is left of a positive matrix without its roots is below this fraction of it.
_POSITIVE = 1e-8


class Generator(NamedTuple):
    """hamiltonian (dim, dim), without a trace; operators (K, dim, dim), without traces and orthogonal to each other."""

    hamiltonian: np.ndarray
    operators: np.ndarray


def generator_of(superoperator: np.ndarray, name: str = "H") -> Generator:
    r"""The H and C_k of a Liouvillian

    $$\mathcal L\rho = -i[H,\rho] + \sum_k C_k\rho C_k^\dagger - \tfrac12\{C_k^\dagger C_k,\rho\}$$

    that are unique up to a unitary mixing of the C_k, as they have no trace (Gorini, Kossakowski and Sudarshan 1976).
    Written as $\mathcal L\rho = G\rho + \rho G^\dagger + \sum_k C_k\rho C_k^\dagger$, it is a matrix
    $R = \vec G\vec 1^\dagger + \vec 1\vec G^\dagger + \sum_k\vec C_k\vec C_k^\dagger$ of vectors of columns.

    Args:
        superoperator: (dim², dim²), of density matrices as vectors of their columns, 1/time.
        name: of the argument, for errors.

    Raises:
        ValueError: where it does not keep the trace, Hermiticity or positivity of every state.

    >>> import qutip
    >>> decay = 0.5 * qutip.sigmam()
    >>> found = generator_of(qutip.liouvillian(qutip.sigmax(), [decay]).full())
    >>> bool(np.allclose(found.hamiltonian, qutip.sigmax().full())), found.operators.shape
    (True, (1, 2, 2))
    """
    dim = round(np.sqrt(len(superoperator)))
    # Indices of the superoperator are (column, row) of what comes out, then of what goes in.
    blocks = np.asarray(superoperator, complex).reshape(dim, dim, dim, dim)
    matrix = blocks.transpose(1, 3, 0, 2).reshape(dim**2, dim**2)
    size = float(np.abs(matrix).max(initial=0.0))
    if np.abs(matrix - matrix.conj().T).max() > _ROUNDING * size:
        raise ValueError(
            f"{name}: expected a Liouvillian, after which ρ stays Hermitian; got one after which it does not."
        )
    one = np.eye(dim).reshape(-1)
    image = matrix @ one / dim
    mean = np.vdot(one, image).real / dim
    left = (image - 0.5 * mean * one).reshape(dim, dim)
    # Without the part that vectors of unit matrices span.
    rest = matrix - np.outer(one, image.conj()) - np.outer(image, one) + mean * np.outer(one, one)
    operators = _roots(name, rest, size).reshape(-1, dim, dim)
    loss = np.einsum("kij,kil->jl", operators.conj(), operators)
    if np.abs(left + left.conj().T + loss).max() > _ROUNDING * size * dim:
        raise ValueError(f"{name}: expected a Liouvillian, which keeps Tr ρ; got one that changes it.")
    return Generator(0.5j * (left - left.conj().T), operators)


def _roots(name: str, matrix: np.ndarray, size: float) -> np.ndarray:
    """The fewest vectors v (K, n) of which a matrix (n, n) is the sum of vv†: Cholesky's, with the largest pivots."""
    found = np.zeros((0, len(matrix)), complex)
    left = matrix.diagonal().real.copy()
    while (pivot := int(np.argmax(left))) >= 0 and left[pivot] > _ROUNDING * size:
        column = matrix[:, pivot] - found.T @ found[:, pivot].conj()
        root = column / np.sqrt(left[pivot])
        found = np.vstack([found, root])
        left -= np.abs(root) ** 2
    if np.abs(matrix - found.T @ found.conj()).max(initial=0.0) > _POSITIVE * size:
        raise ValueError(
            f"{name}: expected a Liouvillian of Lindblad's form; got one in which operators act with negative rates. "
            "Jumps with negative rates are those of qutip.nm_mcsolve."
        )
    return found
