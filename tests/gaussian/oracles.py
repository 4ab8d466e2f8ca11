"""Independent answers: integrated equations, Fock space and quadrature, in plain numpy and scipy."""

import numpy as np
from scipy.integrate import solve_ivp


def csl_precision(diffusion, friction, start, times):
    """a, b, c (3, T) of the repaired equations 10 and 11 of `collapse-entropy`."""

    def slope(_, y):
        a, b, c = y
        return [
            2 * c - 4 * diffusion * c**2,
            -2 * c - 4 * diffusion * b**2 + 2 * friction * b,
            (b - a) - 4 * diffusion * b * c + friction * c,
        ]

    return solve_ivp(slope, (times[0], times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-13).y


def moments(drift, diffusion, mean, covariance, times):
    """Means (T, 2n) and covariances (T, 2n, 2n) of dx̄/dt = Ax̄, dV/dt = AV + VAᵀ + B."""
    size = len(mean)

    def slope(_, y):
        matrix = y[size:].reshape(size, size)
        return np.concatenate([drift @ y[:size], (drift @ matrix + matrix @ drift.T + diffusion).ravel()])

    start = np.concatenate([mean, np.ravel(covariance)])
    found = solve_ivp(slope, (times[0], times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-13).y.T
    return found[:, :size], found[:, size:].reshape(-1, size, size)


def grid(widths, points=401, reach=9.0):
    """q and p (points,) over so many widths, and the weight of a cell."""
    q, p = (np.linspace(-reach, reach, points) * width for width in widths)
    return q, p, (q[1] - q[0]) * (p[1] - p[0])


def gaussian(q, p, mean, covariance):
    """A normal density on a grid, (Q, P)."""
    inverse = np.linalg.inv(covariance)
    dq, dp = q[:, None] - mean[0], p[None, :] - mean[1]
    exponent = inverse[0, 0] * dq**2 + inverse[1, 1] * dp**2 + 2 * inverse[0, 1] * dq * dp
    return np.exp(-exponent / 2) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))


def entropy_production(drift, diffusion, mean, covariance):
    """2∫ J·B⁻¹J/W of one mode with diagonal diffusion, J the irreversible current, by finite differences on a grid."""
    q, p, cell = grid(np.sqrt(np.diag(covariance)) * 1.2, 1201)
    w = gaussian(q, p, mean, covariance)
    slopes = np.gradient(w, q, p, edge_order=2)
    total = 0.0
    for axis, x in enumerate((q[:, None], p[None, :])):
        if diffusion[axis, axis] > 0:
            current = drift[axis, axis] * x * w - 0.5 * diffusion[axis, axis] * slopes[axis]
            total += 2 * np.sum(current[w > 1e-30] ** 2 / (diffusion[axis, axis] * w[w > 1e-30])) * cell
    return total


def ladder(dim):
    return np.diag(np.sqrt(np.arange(1, dim)), 1)


def fock_state(dim, occupation, squeezing=0.0, shift=0.0):
    """Density matrix of a displaced squeezed thermal state and its (mean, covariance), ħ = m = ω = 1."""
    from scipy.linalg import expm

    a = ladder(dim)
    weights = (occupation / (1 + occupation)) ** np.arange(dim)
    rho = np.diag(weights / weights.sum())
    squeeze = expm(0.5 * squeezing * (a @ a - a.T @ a.T))
    move = expm(shift * (a.T - a))
    turn = move @ squeeze
    rho = turn @ rho @ turn.T
    covariance = (occupation + 0.5) * np.diag([np.exp(-2 * squeezing), np.exp(2 * squeezing)])
    return rho, np.array([np.sqrt(2) * shift, 0.0]), covariance


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.conj().T


def fock_fidelity(a, b):
    half = root(a)
    return np.sqrt(np.clip(np.linalg.eigvalsh(half @ b @ half), 0, None)).sum() ** 2


def random_symplectic(rng, modes):
    """exp(ΩG) for a random symmetric G."""
    from scipy.linalg import expm

    form = np.kron([[0, 1], [-1, 0]], np.eye(modes))
    symmetric = rng.normal(size=(2 * modes, 2 * modes))
    return expm(0.3 * form @ (symmetric + symmetric.T))
