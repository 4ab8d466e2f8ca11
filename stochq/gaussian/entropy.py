"""Entropies of Gaussian states and the rates at which linear dynamics produces them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from stochq.arrays import ArrayLike, as_real, is_concrete
from stochq.gaussian.phase_space import (
    Array,
    Real,
    aligned,
    array_namespace,
    irreversible,
    log_determinant,
    quadratic,
    symplectic_form,
    trace,
    transposed,
)
from stochq.gaussian.state import State

# Singular values below this, relative to the largest, are those of directions without noise.
_RANK = 1e-12


def wigner_entropy(state: State) -> Float[Array, "*batch"]:
    r"""The Wigner entropy of n modes (`brownian-balance` eq. 6; `collapse-entropy` eq. 17 for one mode).

    $$S=-\int W\ln W\,dx=\tfrac12\ln\det V+n(1+\ln2\pi)$$

    >>> from stochq.gaussian import vacuum
    >>> bool(abs(wigner_entropy(vacuum()) - 1 - np.log(np.pi)) < 1e-12)
    True
    """
    return 0.5 * log_determinant(state.covariance) + state.modes * (1 + np.log(2 * np.pi))


def von_neumann_entropy(state: State, hbar: Real = 1.0) -> Float[Array, "*batch"]:
    r"""$S=-\mathrm{Tr}\rho\ln\rho=\sum_k\big[(\bar n_k+1)\ln(\bar n_k+1)-\bar n_k\ln\bar n_k\big]$ of the normal modes.

    >>> from stochq.gaussian import thermal
    >>> round(float(von_neumann_entropy(thermal(1.0))), 6)
    1.386294
    """
    values = state.symplectic_eigenvalues()
    numbers = array_namespace(values, hbar)
    occupation = numbers.maximum(values / hbar - 0.5, 0.0)
    # n ln n → 0 in a pure state, whose logarithm is not taken.
    safe = numbers.where(occupation > 0, occupation, 1.0)
    return ((occupation + 1) * numbers.log1p(occupation) - occupation * numbers.log(safe)).sum(axis=-1)


def relative_entropy(a: State, b: State) -> Float[Array, "*batch"]:
    r"""The relative Wigner entropy K(W_a‖W_b) of n modes (`collapse-entropy` eqs. 16 and 18, there without means).

    $$K=\tfrac12\ln\frac{\det V_b}{\det V_a}+\tfrac12\mathrm{Tr}(V_aV_b^{-1})-n
       +\tfrac12(\bar x_a-\bar x_b)^TV_b^{-1}(\bar x_a-\bar x_b)$$

    States may have leading axes; one without goes with all of them.

    >>> from stochq.gaussian import thermal
    >>> round(float(relative_entropy(thermal(0.0), thermal(1.0))), 6)
    0.431946
    """
    a, b = matched(a, b)
    inverse = array_namespace(b).linalg.inv(b.covariance)
    logs = 0.5 * (log_determinant(b.covariance) - log_determinant(a.covariance))
    return logs + 0.5 * trace(a.covariance @ inverse) - a.modes + 0.5 * quadratic(inverse, a.mean - b.mean)


def production(drift: Array, diffusion: Array, state: State) -> Array:
    """Π of the Fokker-Planck equation with drift A and diffusion B (2n, 2n); see `Dynamics.entropy_production`."""
    numbers = array_namespace(drift, diffusion, state)
    even_drift, even_noise = irreversible(drift), irreversible(diffusion)
    inverse_noise = numbers.linalg.pinv(even_noise, rtol=_RANK, hermitian=True)
    like = state.covariance
    motion = aligned(even_drift, like) + 0.5 * aligned(even_noise, like) @ numbers.linalg.inv(like)
    spread = motion @ like @ transposed(motion)
    push = aligned(even_drift, like) @ state.mean[..., None]
    spread = spread + push @ transposed(push)
    found = 2 * trace(aligned(inverse_noise, like) @ spread)
    # Irreversible drift where there is no noise cannot be told apart from its reverse by any finite amount.
    silent = np.eye(drift.shape[0]) - even_noise @ inverse_noise
    beyond = trace(aligned(silent, like) @ spread)
    return numbers.where(beyond > _RANK * trace(spread), np.inf, found)


def rate(drift: Array, diffusion: Array, state: State) -> Array:
    """dS/dt of the Wigner entropy."""
    numbers = array_namespace(drift, diffusion, state)
    inverse = numbers.linalg.inv(state.covariance)
    return trace(drift) + 0.5 * trace(inverse @ aligned(diffusion, inverse))


def change(drift: Array, diffusion: Array, covariance: Array) -> Array:
    """dV/dt = AV + VAᵀ + B."""
    flow = aligned(drift, covariance) @ covariance
    return flow + transposed(flow) + aligned(diffusion, covariance)


def relative_decay(drift: Array, diffusion: Array, state: State, target: State) -> Array:
    """−dK(W‖W_target)/dt under drift and diffusion."""
    state, target = matched(state, target)
    inverse = array_namespace(target).linalg.inv(target.covariance)
    slope = 0.5 * trace(inverse @ change(drift, diffusion, state.covariance))
    velocity = aligned(drift, state.covariance) @ state.mean[..., None]
    away = (transposed((state.mean - target.mean)[..., None]) @ inverse @ velocity)[..., 0, 0]
    return rate(drift, diffusion, state) - slope - away


def power(drift: Array, diffusion: Array, state: State, matrix: Array) -> Array:
    """d⟨½xᵀGx⟩/dt under drift and diffusion."""
    velocity = aligned(drift, state.covariance) @ state.mean[..., None]
    moving = (transposed(state.mean[..., None]) @ aligned(matrix, state.covariance) @ velocity)[..., 0, 0]
    changing = change(drift, diffusion, state.covariance)
    return 0.5 * trace(aligned(matrix, changing) @ changing) + moving


def gibbs_matrix(covariance: ArrayLike, hbar: Real = 1.0) -> Float[Array, "*batch 2n 2n"]:
    r"""The matrix G of a mixed state $\rho\propto e^{-\frac12x^TGx}$.

    $$G=L^{-T}f(L^Ti\Omega L)L^{-1},\qquad f=\tfrac2\hbar|\nu|\,\mathrm{arcoth}\tfrac{2|\nu|}\hbar,\qquad V=LL^T$$

    Args:
        covariance: V (..., 2n, 2n).
        hbar: ħ, in the units of the covariance.

    Returns:
        G (..., 2n, 2n), in units of 1/covariance.

    Raises:
        ValueError: where a normal mode is pure, or below the uncertainty bound: G is infinite there.

    >>> gibbs_matrix([[1.5, 0.0], [0.0, 1.5]]).diagonal().round(6).tolist()
    [0.693147, 0.693147]
    """
    doubled, form = _normal_form(as_real(covariance), hbar)
    if is_concrete(doubled) and np.any(doubled <= 1 + PURE):
        least = 0.5 * hbar * doubled.min()
        raise ValueError(
            f"covariance: expected symplectic eigenvalues above ħ/2, ħ = {hbar:g}; got {least:.9g}. "
            "A pure state has no finite Gibbs matrix."
        )
    weights = _gibbs_weight(doubled)
    return (transposed(form.conj()) @ (weights[..., None] * form)).real


# How close to 1 the symplectic eigenvalue of a pure mode is, in units of ħ/2: rounding of a few hundred products.
PURE = 1e-10
# Rates at which a pure mode is left that are smaller than this share of their terms are rounding.
_STILL = 1e-12


def _normal_form(covariance: Array, hbar: Real) -> tuple[Array, Array]:
    """2|ν|/ħ of the normal modes (..., 2n), in pairs, or (..., 1) for one mode; and the map to them (..., 2n, 2n)."""
    numbers = array_namespace(covariance, hbar)
    root = numbers.linalg.cholesky(covariance)
    inverse = numbers.linalg.inv(root)
    if covariance.shape[-1] == 2:
        # Both eigenvalues are alike, so that no eigenvectors are needed.
        return 2 * numbers.sqrt(numbers.linalg.det(covariance))[..., None] / hbar, inverse
    omega = aligned(symplectic_form(covariance.shape[-1] // 2), covariance)
    values, vectors = numbers.linalg.eigh(1j * (transposed(root) @ omega @ root))
    return 2 * numbers.abs(values) / hbar, transposed(vectors).conj() @ inverse


def _gibbs_weight(doubled: Array) -> Array:
    """x arcoth x of x = 2ν/ħ > 1."""
    numbers = array_namespace(doubled)
    return 0.5 * doubled * (numbers.log1p(doubled) - numbers.log(doubled - 1))


class _GibbsRate(NamedTuple):
    """½Tr[GṀ]: what the mixed modes contribute, and what multiplies the infinite logarithm of the pure ones."""

    finite: Array
    diverging: Array


def _gibbs_rate(covariance: Array, slope: Array, terms: Array, hbar: Real) -> _GibbsRate:
    """Of the Gibbs matrix of `covariance`, for second moments that change at the rate `slope`, a sum of `terms`.

    NaN for a state below the uncertainty bound, which has no logarithm.
    """
    numbers = array_namespace(covariance, slope, hbar)
    doubled, form = _normal_form(covariance, hbar)
    form = aligned(form, slope) if form.ndim == 2 else form
    shares = 0.5 * numbers.real(numbers.sum((form @ slope) * form.conj(), axis=-1))
    size = numbers.sum((numbers.abs(form) @ terms) * numbers.abs(form), axis=-1)
    pure = doubled <= 1 + PURE
    weights = _gibbs_weight(numbers.where(pure, 2.0, doubled))
    finite = numbers.where(pure, 0.0, weights * shares).sum(axis=-1)
    leaving = numbers.where(pure, shares, 0.0).sum(axis=-1)
    leaving = numbers.where(numbers.abs(leaving) <= _STILL * size.sum(axis=-1), 0.0, leaving)
    physical = numbers.all(doubled >= 1 - PURE, axis=-1)
    # Factors, as derivatives behind `where` would be zero.
    known = numbers.where(physical, 1.0, np.nan)
    return _GibbsRate(finite * known, leaving * known)


def spohn_production(drift: Array, diffusion: Array, state: State, steady: State, hbar: Real) -> Array:
    r"""$-dS(\rho\|\rho_S)/dt=\frac12\mathrm{Tr}[G\dot V]-\frac12\mathrm{Tr}[G_S\frac d{dt}(V+\bar x\bar x^T)]$.

    Where a pure mode of ρ or of ρ_S is left, G or G_S is infinite: so is the production, with the sign of the rate.
    """
    numbers = array_namespace(drift, diffusion, state, steady)
    spread = change(drift, diffusion, state.covariance)
    flow = (aligned(drift, spread) @ state.mean[..., None]) @ state.mean[..., None, :]
    moments = numbers.abs(state.covariance) + numbers.abs(state.mean[..., None] * state.mean[..., None, :])
    terms = numbers.abs(aligned(drift, spread)) @ moments
    terms = terms + transposed(terms) + numbers.abs(aligned(diffusion, spread))
    own = _gibbs_rate(state.covariance, spread, terms, hbar)
    fixed = _gibbs_rate(steady.covariance, spread + flow + transposed(flow), terms, hbar)
    diverging = own.diverging - fixed.diverging
    found = numbers.where(diverging > 0, np.inf, own.finite - fixed.finite)
    return numbers.where(diverging < 0, -np.inf, found)


def husimi(state: State, hbar: Real = 1.0) -> State:
    r"""The Q function as a distribution of its own: W convoluted with the vacuum of ω = m = 1, V + ħ/2.

    >>> from stochq.gaussian import vacuum
    >>> husimi(vacuum()).covariance.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    unit = aligned(0.5 * hbar * np.eye(2 * state.modes), state.covariance)
    return State(state.mean, state.covariance + unit)


def wehrl_entropy(state: State, hbar: Real = 1.0) -> Float[Array, "*batch"]:
    """The entropy −∫Q ln Q of the Q function (`brownian-balance` appendix C).

    >>> from stochq.gaussian import vacuum
    >>> bool(abs(wehrl_entropy(vacuum()) - 1 - np.log(2 * np.pi)) < 1e-12)
    True
    """
    return wigner_entropy(husimi(state, hbar))


def husimi_diffusion(drift: Array, diffusion: Array, hbar: Real) -> Array:
    """B − (ħ/2)(A + Aᵀ): friction η in p adds ħη to twice the momentum diffusion."""
    return diffusion - 0.5 * as_real(hbar) * (drift + drift.T)


def matched(a: State, b: State) -> tuple[State, State]:
    """Both with the same number of leading axes; ValueError for different modes."""
    if a.modes != b.modes:
        raise ValueError(f"b: expected as many modes as a has, {a.modes}; got {b.modes}.")
    most = max(a.mean.ndim, b.mean.ndim)

    def raised(state: State) -> State:
        extra = (1,) * (most - state.mean.ndim)
        return State(
            state.mean.reshape(extra + state.mean.shape), state.covariance.reshape(extra + state.covariance.shape)
        )

    return raised(a), raised(b)
