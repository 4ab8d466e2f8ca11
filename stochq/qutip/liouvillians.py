"""From a Liouvillian, a superoperator of QuTiP, to the Hamiltonian and the operators that it is made of."""

from typing import NamedTuple

import numpy as np

# Parts of a superoperator below this fraction of it are rounding.
_ROUNDING = 1e-10


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
    image = matrix @ one
    trace = np.vdot(one, image).real / (2 * dim)
    left = ((image - trace * one) / dim).reshape(dim, dim)
    rest = np.eye(dim**2) - np.outer(one, one) / dim
    rates, vectors = np.linalg.eigh(rest @ matrix @ rest)
    _check_positive(name, rates, size)
    kept = rates > _ROUNDING * size
    operators = (np.sqrt(rates[kept]) * vectors[:, kept]).T.reshape(-1, dim, dim)
    loss = np.einsum("kij,kil->jl", operators.conj(), operators)
    if np.abs(left + left.conj().T + loss).max() > _ROUNDING * size * dim:
        raise ValueError(f"{name}: expected a Liouvillian, which keeps Tr ρ; got one that changes it.")
    return Generator(0.5j * (left - left.conj().T), operators)


def _check_positive(name: str, rates: np.ndarray, size: float) -> None:
    if rates.size and rates[0] < -_ROUNDING * size:
        raise ValueError(
            f"{name}: expected a Liouvillian of Lindblad's form; got one with the negative rate {rates[0]:.3g}. Jumps "
            "with negative rates are those of qutip.nm_mcsolve."
        )
