"""Bounds on the energies of a sum of Pauli strings, by Lanczos' method."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number, is_concrete
from stochq.systems.pauli.sums import PauliSum
from stochq.systems.propagation import Splitting
from stochq.systems.propagation.windows import planes_of

# Steps of Lanczos' method; the margin is the residual of the outermost Ritz vectors, and this part of the range.
_STEPS = 40
_MARGIN = 0.01


def bounds_of(terms: PauliSum, splitting: Splitting) -> tuple[Number, Number]:
    """A lower and an upper bound on all eigenvalues; Σ|c| where coefficients are traced."""
    largest = terms.norm_bound
    if not is_concrete(terms.coefficients):
        return -largest, largest
    lowest, highest, residual = _ritz_values(splitting)
    margin = residual + _MARGIN * (highest - lowest) + 1e-12
    return max(-float(largest), lowest - margin), min(float(largest), highest + margin)


@eqx.filter_jit
def _apply(splitting: Splitting, psi: jax.Array) -> jax.Array:
    return jax.lax.complex(*splitting.apply(planes_of(psi)))


def _ritz_values(splitting: Splitting) -> tuple[float, float, float]:
    """The outermost Ritz values and the larger of their residuals, from a random state."""
    rng = np.random.default_rng(7)
    vector = rng.normal(size=splitting.dim) + 1j * rng.normal(size=splitting.dim)
    vector /= np.linalg.norm(vector)
    steps = min(_STEPS, splitting.dim)
    alphas, betas, before = [], [], np.zeros_like(vector)
    with jax.enable_x64(True):
        for _ in range(steps):
            after = np.array(_apply(splitting, jnp.asarray(vector))) - (betas[-1] if betas else 0.0) * before
            alphas.append(float(np.vdot(vector, after).real))
            after -= alphas[-1] * vector
            betas.append(float(np.linalg.norm(after)))
            if betas[-1] < 1e-10:
                break
            before, vector = vector, after / betas[-1]
    values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1))
    return float(values[0]), float(values[-1]), float(betas[-1] * np.abs(vectors[-1, [0, -1]]).max())
