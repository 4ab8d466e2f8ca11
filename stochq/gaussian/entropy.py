"""Entropies of Gaussian states and the rates at which linear dynamics produces them."""

from typing import Any

import numpy as np
from jaxtyping import Float

from stochq.arrays import as_real
from stochq.gaussian.phase_space import (
    Array,
    Real,
    aligned,
    irreversible,
    log_determinant,
    numbers_of,
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
    numbers = numbers_of(values, hbar)
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
    inverse = numbers_of(b).linalg.inv(b.covariance)
    logs = 0.5 * (log_determinant(b.covariance) - log_determinant(a.covariance))
    return logs + 0.5 * trace(a.covariance @ inverse) - a.modes + 0.5 * quadratic(inverse, a.mean - b.mean)


def production(drift: Any, diffusion: Any, state: State) -> Any:
    """Π of the Fokker-Planck equation with drift A and diffusion B (2n, 2n); see `Dynamics.entropy_production`."""
    numbers = numbers_of(drift, diffusion, state)
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


def rate(drift: Any, diffusion: Any, state: State) -> Any:
    """dS/dt of the Wigner entropy."""
    numbers = numbers_of(drift, diffusion, state)
    inverse = numbers.linalg.inv(state.covariance)
    return trace(drift) + 0.5 * trace(inverse @ aligned(diffusion, inverse))


def change(drift: Any, diffusion: Any, covariance: Any) -> Any:
    """dV/dt = AV + VAᵀ + B."""
    flow = aligned(drift, covariance) @ covariance
    return flow + transposed(flow) + aligned(diffusion, covariance)


def relative_decay(drift: Any, diffusion: Any, state: State, target: State) -> Any:
    """−dK(W‖W_target)/dt under drift and diffusion."""
    state, target = matched(state, target)
    inverse = numbers_of(target).linalg.inv(target.covariance)
    slope = 0.5 * trace(inverse @ change(drift, diffusion, state.covariance))
    velocity = aligned(drift, state.covariance) @ state.mean[..., None]
    away = (transposed((state.mean - target.mean)[..., None]) @ inverse @ velocity)[..., 0, 0]
    return rate(drift, diffusion, state) - slope - away


def power(drift: Any, diffusion: Any, state: State, matrix: Any) -> Any:
    """d⟨½xᵀGx⟩/dt under drift and diffusion."""
    velocity = aligned(drift, state.covariance) @ state.mean[..., None]
    moving = (transposed(state.mean[..., None]) @ aligned(matrix, state.covariance) @ velocity)[..., 0, 0]
    changing = change(drift, diffusion, state.covariance)
    return 0.5 * trace(aligned(matrix, changing) @ changing) + moving


def gibbs_matrix(covariance: Any, hbar: Any) -> Any:
    r"""G of $\rho\propto e^{-\frac12x^TGx}$, (..., 2n, 2n): $L^{-T}f(L^Ti\Omega L)L^{-1}$, $f=\frac2\hbar|\nu|\,
    \mathrm{arcoth}(2|\nu|/\hbar)$, V = LLᵀ. Infinite for a pure state."""
    numbers = numbers_of(covariance, hbar)
    if covariance.shape[-1] == 2:
        # f depends on ν² = det V alone.
        weights = _gibbs_weight(2 * numbers.sqrt(numbers.linalg.det(covariance)) / hbar)
        return weights[..., None, None] * numbers.linalg.inv(covariance)
    root = numbers.linalg.cholesky(covariance)
    form = aligned(symplectic_form(covariance.shape[-1] // 2), covariance)
    values, vectors = numbers.linalg.eigh(1j * (transposed(root) @ form @ root))
    weights = _gibbs_weight(2 * numbers.abs(values) / hbar)
    inner = ((vectors * weights[..., None, :]) @ transposed(vectors).conj()).real
    inverse = numbers.linalg.inv(root)
    return transposed(inverse) @ inner @ inverse


def _gibbs_weight(doubled: Any) -> Any:
    """x arcoth x of x = 2ν/ħ; at and below x = 1 there is no Gibbs state."""
    numbers = numbers_of(doubled)
    with np.errstate(divide="ignore"):
        return 0.5 * doubled * (numbers.log1p(doubled) - numbers.log(numbers.maximum(doubled - 1, 0.0)))


def spohn_production(drift: Any, diffusion: Any, state: State, steady: State, hbar: Any) -> Any:
    r"""$-dS(\rho\|\rho_S)/dt=\frac12\mathrm{Tr}[(G-G_S)\dot V]-\bar x^TG_SA\bar x$."""
    changing = change(drift, diffusion, state.covariance)
    fixed = aligned(gibbs_matrix(steady.covariance, hbar), state.covariance)
    own = gibbs_matrix(state.covariance, hbar)
    velocity = aligned(drift, state.covariance) @ state.mean[..., None]
    moving = (transposed(state.mean[..., None]) @ fixed @ velocity)[..., 0, 0]
    return 0.5 * trace((own - fixed) @ changing) - moving


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


def husimi_diffusion(drift: Any, diffusion: Any, hbar: Any) -> Any:
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
