"""Bounds on the energies of a sum of Pauli strings, by Lanczos' method."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number, is_concrete
from stochq.systems.pauli.sums import PauliSum
from stochq.systems.propagation import Splitting
from stochq.systems.propagation.windows import planes_of

# Up to so many states the energies themselves are computed.
_SMALL_DIM = 256
# Steps of Lanczos' method, and the chance that a bound fails.
_STEPS, _FAILURE = 50, 1e-3
# Rounding of single precision, relative to the range of energies.
_ROUNDING = 1e-5


def bounds_of(terms: PauliSum, splitting: Splitting) -> tuple[Number, Number]:
    r"""A lower and an upper bound on all eigenvalues; Σ|c| about the trace where coefficients are traced.

    From a random state k steps of Lanczos' method miss the highest energy by more than the fraction ε of the range with
    a probability below

    $$1.648\sqrt{\mathrm{dim}}\;e^{-(2k-1)\sqrt\epsilon}$$

    whatever the spectrum (J. Kuczynski and H. Wozniakowski, SIAM J. Matrix Anal. Appl. 13, 1094 (1992)).
    """
    trace, largest = terms.trace, terms.norm_bound
    radius = largest - abs(trace)
    if not is_concrete(terms.coefficients):
        return trace - radius, trace + radius
    lowest, highest = _outermost(terms, splitting)
    return max(float(trace - radius), lowest), min(float(trace + radius), highest)


def _outermost(terms: PauliSum, splitting: Splitting) -> tuple[float, float]:
    if terms.is_diagonal:
        diagonal: Any = terms.diagonal
        return float(diagonal.min()), float(diagonal.max())
    if terms.dim <= _SMALL_DIM:
        energies = np.linalg.eigvalsh(terms.matrix())
        margin = 1e-12 * float(np.abs(energies).max())
        return float(energies[0]) - margin, float(energies[-1]) + margin
    lowest, highest = _ritz_values(splitting)
    missed = (np.log(1.648 * terms.dim**0.5 / _FAILURE) / (2 * _STEPS - 1)) ** 2
    margin = (missed / (1 - 2 * missed) + _ROUNDING) * (highest - lowest)
    return lowest - margin, highest + margin


@eqx.filter_jit
def _apply(splitting: Splitting, psi: jax.Array) -> jax.Array:
    return jax.lax.complex(*splitting.apply(planes_of(psi)))


def _ritz_values(splitting: Splitting) -> tuple[float, float]:
    """The outermost Ritz values, from a random state."""
    rng = np.random.default_rng(7)
    vector = rng.normal(size=(2, splitting.dim)).astype(np.float32)
    vector = (vector[0] + 1j * vector[1]) / np.float32(np.linalg.norm(vector))
    alphas, betas, before = [], [], np.zeros_like(vector)
    for _ in range(_STEPS):
        after = np.array(_apply(splitting, jnp.asarray(vector)))
        if betas:
            after -= np.float32(betas[-1]) * before
        alphas.append(float(np.vdot(vector, after).real))
        after -= np.float32(alphas[-1]) * vector
        betas.append(float(np.linalg.norm(after)))
        if betas[-1] <= _ROUNDING * max(np.abs(alphas).max(), *betas):
            break
        before, vector = vector, after / np.float32(betas[-1])
    values = np.linalg.eigvalsh(np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1))
    return float(values[0]), float(values[-1])
