"""Networks for tests, and their equations written out by hand."""

import numpy as np


def random_couplings(modes, seed, real=False):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(modes, modes)) + (0 if real else 1j * rng.normal(size=(modes, modes)))
    return (matrix + matrix.conj().T) / 2


def random_correlations(modes, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(modes, modes)) + 1j * rng.normal(size=(modes, modes))
    return root @ root.conj().T / modes


def right_side(couplings, rates, occupations, correlations):
    """i[C, H] - {C, Γ}/2 + f."""
    gamma = np.diag(np.asarray(rates, float))
    turning = 1j * (correlations @ couplings - couplings @ correlations)
    return turning - (correlations @ gamma + gamma @ correlations) / 2 + gamma * np.asarray(occupations)


def dense_steady_state(couplings, rates, occupations):
    from scipy.linalg import solve_continuous_lyapunov

    drift = -1j * np.asarray(couplings) - np.diag(rates) / 2
    return solve_continuous_lyapunov(drift, -np.diag(np.asarray(rates) * occupations).astype(complex))
