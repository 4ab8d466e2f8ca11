"""Master equations by plain scipy on dense matrices: nothing here knows of stochq."""

import numpy as np
import scipy.integrate
import scipy.linalg

# Below this dimension the propagator of the density matrix is one matrix exponential.
_EXPONENTIAL = 8


def lindblad(matrix, jumps, rho, hbar=1.0):
    """−(i/ħ)[H, ρ] + Σ_k (L_k ρ L_k† − ½{L_k†L_k, ρ})."""
    change = -1j / hbar * (matrix @ rho - rho @ matrix)
    for jump in jumps:
        square = jump.conj().T @ jump
        change = change + jump @ rho @ jump.conj().T - 0.5 * (square @ rho + rho @ square)
    return change


def superoperator(matrix, jumps, hbar=1.0):
    """The generator as a matrix on ρ.reshape(-1), columns found one by one."""
    dim = len(matrix)
    basis = np.eye(dim * dim).reshape(-1, dim, dim)
    return np.stack([lindblad(matrix, jumps, unit, hbar).reshape(-1) for unit in basis], axis=1)


def density(matrix, jumps, psi0, times, hbar=1.0):
    """ρ at the times, (T, dim, dim); matrix is H, or a function of t."""
    psi0 = np.asarray(psi0, complex)
    start = np.outer(psi0, psi0.conj())
    if not callable(matrix) and len(start) <= _EXPONENTIAL:
        generator = superoperator(matrix, jumps, hbar)
        return np.stack([exponential(generator, start, t - times[0]) for t in times])
    at = matrix if callable(matrix) else lambda t: matrix

    def slope(t, flat):
        return lindblad(at(t), jumps, flat.reshape(start.shape), hbar).reshape(-1)

    solution = scipy.integrate.solve_ivp(
        slope, (times[0], times[-1]), start.reshape(-1), t_eval=times, method="DOP853", rtol=1e-8, atol=1e-10
    )
    return solution.y.T.reshape(-1, *start.shape)


def exponential(generator, rho, t):
    return (scipy.linalg.expm(generator * t) @ rho.reshape(-1)).reshape(rho.shape)


def flow(jumps, rho, t):
    """The density matrix after the time t under the jump operators alone."""
    return exponential(superoperator(np.zeros_like(rho), jumps), rho, t)


def expectation(operator, rho):
    """Tr(Oρ) for ρ (..., dim, dim)."""
    return np.einsum("ij,...ji->...", operator, rho).real
