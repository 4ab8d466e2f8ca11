r"""What a system and all that it has emitted know about parameters: the two-sided master equation.

Gammelmark and Mølmer, PRL 112, 170401 (2014): the overlap of the states of system and field at two values of the
parameters is the trace of

$$\dot\rho_{12} = -i(H_1\rho_{12}-\rho_{12}H_2)
  + \sum_k\big(L_{k1}\rho_{12}L_{k2}^\dagger - \tfrac12L_{k1}^\dagger L_{k1}\rho_{12}
  - \tfrac12\rho_{12}L_{k2}^\dagger L_{k2}\big),\qquad
  F_{ij} = 4\,\partial_{\theta_{1i}}\partial_{\theta_{2j}}\ln|\mathrm{Tr}\,\rho_{12}|$$

with H/ħ for H.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

from stochq.exact.inputs import intervals
from stochq.inference.programs import tracing_predict
from stochq.inference.result import parameter_names, shaped
from stochq.instruments.superoperators import total_loss
from stochq.measurement.line import WatchedParts

# Levels less occupied than this share have no weight in the state's information.
_EMPTY = 1e-12
# Parts of each interval where operators depend on time: two and three are blind to different periods. The information
# extrapolated from two divisions is taken where that of the next differs by less than this share.
_DIVISIONS, _SETTLED = (2, 3, 6, 12, 24, 48, 96), 1e-3


class QuantumInformation(NamedTuple):
    """Quantum Fisher information (P, P) of the emitted field and the system together, and of the system's state."""

    emitted: np.ndarray
    state: np.ndarray


def quantum_information(
    predict: Callable[[Any], Any], theta: np.ndarray, like: Any, times: np.ndarray
) -> QuantumInformation:
    """That of parameters θ (P,) after the last of the times; in double precision.

    What depends on time is taken in the middle of parts of the intervals, finer and finer until it settles. A mixed
    initial state is purified by what is not looked at, so that what is found for the field is the most that it can
    know.
    """
    equation, _ = predict(shaped(jnp.asarray(theta), like))
    widths = intervals(times)
    if not equation.time_dependent:
        return _information(predict, theta, like, np.zeros(1), np.array([np.sum(widths)]))

    def divided(parts: int) -> QuantumInformation:
        own = np.repeat(widths / parts, parts)
        middles = np.repeat(times[:-1], parts) + own * np.tile(np.arange(parts) + 0.5, len(widths))
        return _information(predict, theta, like, middles, own)

    before, known = divided(_DIVISIONS[0]), None
    for coarse, fine in pairwise(_DIVISIONS):
        after = divided(fine)
        # Of second order in the width of a part.
        limit = [b + (b - a) / ((fine / coarse) ** 2 - 1) for a, b in zip(before, after, strict=True)]
        if known is not None and all(_is_settled(a, b) for a, b in zip(known, limit, strict=True)):
            return QuantumInformation(*limit)
        before, known = after, limit
    raise ValueError(
        "times: expected intervals in which what depends on time changes little; the information does not settle with "
        f"{_DIVISIONS[-1]} parts in each of them. Give finer times."
    )


def _is_settled(before: np.ndarray, found: np.ndarray) -> bool:
    return bool(np.all(np.abs(found - before) <= _SETTLED * np.abs(found).max()))


def _information(
    predict: Callable[[Any], Any], theta: np.ndarray, like: Any, middles: np.ndarray, widths: np.ndarray
) -> QuantumInformation:
    """That after all of these widths, with the operators of their middles."""

    def density(vector: jax.Array) -> jax.Array:
        state = jnp.asarray(predict(shaped(vector, like))[1], complex)
        rho = state if state.ndim == 2 else jnp.outer(state, state.conj())
        return rho / jnp.trace(rho)

    def operators(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
        built, _ = predict(shaped(vector, like))
        return jax.vmap(lambda time: _operators(built.watched_parts(time)))(jnp.asarray(middles))

    with tracing_predict():
        found = jax.jit(lambda one: (_slopes(density, one), _slopes(operators, one)))(theta)
    (rho, slopes), parts = jax.device_get(found)
    check_derivatives(like, slopes, *parts[1])
    turns = 0.5 * logarithmic_derivatives(rho, slopes)
    emitted, rho_slopes = np.empty((len(theta), len(theta))), np.empty_like(turns)
    for i, left in enumerate(turns):
        for j, right in enumerate(turns[: i + 1]):
            start = np.stack([rho, left @ rho, rho @ right, left @ rho @ right])
            end = _propagated(parts, widths, i, j, start)
            whole, first, second, mixed = np.trace(end, axis1=1, axis2=2)
            emitted[i, j] = emitted[j, i] = 4 * (mixed / whole - first * second / whole**2).real
        # By both sides: the derivative of the density matrix.
        rho_slopes[i] = end[1] + end[1].conj().T
    return QuantumInformation(emitted, state_information(end[0], rho_slopes))


def _slopes(function: Callable[[jax.Array], Any], at: jax.Array) -> tuple[Any, Any]:
    """What a function returns, and its derivatives with the parameters as leading axis."""
    slopes = jax.jacfwd(function)(at)
    return function(at), jax.tree.map(lambda array: jnp.moveaxis(array, -1, 0), slopes)


def check_derivatives(parameters: Any, *slopes: np.ndarray) -> None:
    """ValueError unless derivatives (P, ...) with respect to these parameters are finite."""
    bad = np.any([~np.isfinite(one).reshape(len(one), -1).all(axis=1) for one in slopes], axis=0)
    if np.any(bad):
        names = [name for name, one in zip(parameter_names(parameters), bad, strict=True) if one]
        raise ValueError(
            f"theta: expected parameters with finite derivatives; those of {', '.join(names)} are not. Stay off "
            "efficiencies of exactly 1 and rates of exactly 0."
        )


def logarithmic_derivatives(rho: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    r"""L (P, dim, dim) with ∂ρ = ½(Lρ + ρL): $L_{kl} = 2\langle k|\partial\rho|l\rangle/(p_k+p_l)$.

    rho: (dim, dim). slopes: ∂ρ (P, dim, dim).
    """
    chances, vectors = np.linalg.eigh(rho)
    sums = chances[:, None] + chances[None]
    inner = np.conj(vectors.T) @ slopes @ vectors
    found = np.where(sums > _EMPTY, 2 * inner / np.where(sums > _EMPTY, sums, 1.0), 0.0)
    return vectors @ found @ np.conj(vectors.T)


def state_information(rho: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    r"""Re Tr ρL_iL_j (P, P), the quantum Fisher information of a state (Braunstein and Caves, PRL 72, 3439 (1994)).

    rho: (dim, dim). slopes: ∂ρ (P, dim, dim).
    """
    derivatives = logarithmic_derivatives(rho, slopes)
    return np.einsum("ab,ibc,jca->ij", rho, derivatives, derivatives).real


def _operators(parts: WatchedParts) -> tuple[jax.Array, jax.Array]:
    """−iH − ½ΣL†L (dim, dim), and all operators L (K, dim, dim)."""
    stacks = [jnp.asarray(stack, complex) for stack in (parts.watched, parts.counted, parts.lost)]
    return -1j * jnp.asarray(parts.hamiltonian) - 0.5 * total_loss(*stacks), jnp.concatenate(stacks)


def _propagated(parts: Any, widths: np.ndarray, i: int, j: int, start: np.ndarray) -> np.ndarray:
    """ρ₁₂, ∂₁ᵢρ₁₂, ∂₂ⱼρ₁₂ and ∂₁ᵢ∂₂ⱼρ₁₂ (4, dim, dim) after all intervals (T,).

    parts: effective Hamiltonians (T, dim, dim) and operators (T, K, dim, dim), and the derivatives (P, ...) of both.
    """
    (effective, jumps), (effective_slopes, jump_slopes) = parts
    vector = start.reshape(-1)
    for place, width in enumerate(widths):
        own = effective[place], jumps[place]
        left = effective_slopes[i, place], jump_slopes[i, place]
        right = effective_slopes[j, place], jump_slopes[j, place]
        vector = expm(width * _generator(own, left, right)) @ vector
    return vector.reshape(start.shape)


def _generator(own: Any, left: Any, right: Any) -> np.ndarray:
    """The generator of ρ₁₂ and its three derivatives, (4 dim², 4 dim²), each on its rows one after the other."""
    identity, nothing = np.eye(len(own[0])), np.zeros([len(own[0]) ** 2] * 2)
    whole = _sided(own[0], identity) + _sided(identity, own[0]) + _sided(own[1], own[1])
    of_left = _sided(left[0], identity) + _sided(left[1], own[1])
    of_right = _sided(identity, right[0]) + _sided(own[1], right[1])
    of_both = _sided(left[1], right[1])
    return np.block(
        [
            [whole, nothing, nothing, nothing],
            [of_left, whole, nothing, nothing],
            [of_right, nothing, whole, nothing],
            [of_both, of_right, of_left, whole],
        ]
    )


def _sided(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Σ_k A_kρB_k† as a matrix (dim², dim²), of A, B (dim, dim) or (K, dim, dim)."""
    stacks = [np.asarray(one).reshape(-1, *one.shape[-2:]) for one in (left, right)]
    return np.einsum("kab,kcd->acbd", stacks[0], stacks[1].conj()).reshape([left.shape[-1] ** 2] * 2)
