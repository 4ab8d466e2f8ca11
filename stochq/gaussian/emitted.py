r"""What a linear system and all that it has emitted know about parameters, by two-sided master equations.

The overlap of the states of system and field at two values of the parameters is the trace of ρ₁₂, which has H₁ and L₁
on its left and H₂ and L₂ on its right (Gammelmark and Mølmer, PRL 112, 170401 (2014)). Its Wigner function stays
$W = Ne^{-\frac12(x-m)^TV^{-1}(x-m)}/\sqrt{\det2\pi V}$ with complex m and V. With

$$\dot W = \big(s+\tfrac12x^TAx+\partial^TBx+\tfrac12\partial^TC\partial\big)W$$

from $x\rho\to(x+\tfrac{i\hbar}2\Omega\partial)W$ and $\rho x\to(x-\tfrac{i\hbar}2\Omega\partial)W$,

$$\dot{\ln N} = s+\tfrac12\mathrm{Tr}AV+\tfrac12m^TAm,\quad \dot m = VAm-Bm,\quad \dot V = VAV-BV-VB^T+C,$$

solved by one exponential of Hamilton's matrix. A and s vanish where both sides are the same.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from stochq.arrays import Array
from stochq.gaussian.phase_space import symplectic_form
from stochq.gaussian.state import State

if TYPE_CHECKING:
    from stochq.gaussian.monitored import Monitored

# The exponential loses digits as e^{2·|M|h}: this bounds |M|h.
_LONGEST = 1.0
# Combinations of covariances that a pure state cannot have, relative to the largest.
_NONE = 1e-10


class _Wigner(NamedTuple):
    """ln N, m (2n,) and V (2n, 2n)."""

    log_norm: Array
    mean: Array
    covariance: Array


def quantum_information(
    predict: Callable[[Array], "tuple[Monitored, State]"], theta: np.ndarray, duration: float
) -> tuple[np.ndarray, np.ndarray]:
    """That (P, P) of the emitted field and the system together, and of the system's state, after a time; in double
    precision.

    A mixed initial state is purified by what is not looked at, so that what is found for the field is the most that it
    can know. Whatever detectors miss is counted among the field.

    predict: from θ (P,) to the system and its state at the start.
    """
    hbar = predict(theta)[0].hbar
    steps = int(np.ceil(duration * np.linalg.norm(_hamiltons(*[predict(theta)[0]] * 2)[0]) / _LONGEST)) or 1

    @jax.jit
    def emitted(at: jax.Array) -> jax.Array:
        state = predict(at)[1]
        squares, lines = _logarithmic(state, _slopes(lambda one: predict(one)[1], at), hbar)

        def overlap(one: jax.Array, other: jax.Array) -> jax.Array:
            left, right = (
                (jnp.tensordot(side - at, squares, 1), jnp.tensordot(side - at, lines, 1)) for side in (one, other)
            )
            start = _turned(state, left, right, hbar)
            end = _after(start, predict(one)[0], predict(other)[0], duration / steps, steps)
            return jnp.real(end.log_norm)

        return 4 * jax.jacfwd(jax.jacfwd(overlap, 0), 1)(at, at)

    @jax.jit
    def of_state(at: jax.Array) -> jax.Array:
        def last(at: jax.Array) -> State:
            (monitored, state), nothing = predict(at), jnp.zeros(())
            start = _Wigner(nothing + 0j, state.mean + 0j, state.covariance + 0j)
            end = _after(start, monitored, monitored, duration / steps, steps)
            return State(jnp.real(end.mean), jnp.real(end.covariance))

        slopes = _slopes(last, at)
        squares, lines = _logarithmic(last(at), slopes, hbar)
        return jnp.einsum("iab,jab->ij", squares, slopes.covariance) + jnp.einsum("ia,ja->ij", lines, slopes.mean)

    at = jnp.asarray(theta)
    return np.asarray(emitted(at)), np.asarray(of_state(at))


def _slopes(function: Callable[[jax.Array], State], at: jax.Array) -> State:
    """Derivatives of a state with the parameters as leading axis."""
    return jax.tree.map(lambda slope: jnp.moveaxis(slope, -1, 0), jax.jacfwd(function)(at))


def _logarithmic(state: State, slopes: State, hbar: float) -> tuple[jax.Array, jax.Array]:
    r"""Φ (P, 2n, 2n) and l (P, 2n) of the logarithmic derivatives $L = y^T\Phi y+l^Ty+\text{const}$, y = x − x̄.

    $$\partial V = 2V\Phi V-\tfrac{\hbar^2}2\Omega^T\Phi\Omega,\qquad \partial\bar x = Vl$$
    """
    size = state.mean.shape[-1]
    form, covariance = symplectic_form(size // 2), jnp.asarray(state.covariance)
    map_of = 2 * jnp.kron(covariance, covariance) - 0.5 * hbar**2 * np.kron(form.T, form.T)
    values, vectors = jnp.linalg.eigh(map_of)
    known = values > _NONE * values[-1]
    inverse = vectors @ jnp.diag(jnp.where(known, 1 / jnp.where(known, values, 1.0), 0.0)) @ vectors.T
    squares = (slopes.covariance.reshape(-1, size**2) @ inverse).reshape(-1, size, size)
    return squares, jnp.linalg.solve(covariance, slopes.mean.T).T


def _turned(
    state: State, left: tuple[jax.Array, jax.Array], right: tuple[jax.Array, jax.Array], hbar: float
) -> _Wigner:
    """e^{L/2}ρe^{L'/2} to second order, from Φ and l of L and of L'; of the norm what depends on both, as its mixed
    derivative is asked for."""
    bopp = _bopp(state.mean.shape[-1] // 2, hbar)
    quadratic = 0.5 * (bopp[0].T @ left[0] @ bopp[0] + bopp[1].T @ right[0] @ bopp[1])
    pull, shift = jnp.split(0.5 * (left[1] @ bopp[0] + right[1] @ bopp[1]), 2)
    a, b, c, s = _ordered(quadratic)

    def rates(now: _Wigner) -> _Wigner:
        m, v = now.mean, now.covariance
        change = s + 0.5 * jnp.trace(a @ v) + 0.5 * m @ a @ m + pull @ m
        return _Wigner(change, v @ (a @ m + pull) - b @ m - shift, v @ a @ v - b @ v - v @ b.T + c)

    start = _Wigner(jnp.zeros((), complex), jnp.zeros(len(state.mean), complex), state.covariance + 0j)
    middle = jax.tree.map(lambda value, rate: value + 0.5 * rate, start, rates(start))
    end = jax.tree.map(jnp.add, start, rates(middle))
    return end._replace(mean=end.mean + state.mean)


def _after(start: _Wigner, left: "Monitored", right: "Monitored", width: float, steps: int) -> _Wigner:
    """After so many steps of a width."""
    matrix, growth = _hamiltons(left, right)
    size = len(start.mean)
    flow = expm(width * jnp.asarray(matrix))

    def step(now: _Wigner, _: None) -> tuple[_Wigner, None]:
        both = flow[:, :size] + flow[:, size:] @ now.covariance
        whole, below = both[:size], both[size:]
        inverse = jnp.linalg.inv(whole)
        bent = now.mean @ inverse @ flow[:size, size:] @ now.mean
        log_norm = now.log_norm + growth * width - 0.5 * (jnp.log(jnp.linalg.det(whole)) + bent)
        return _Wigner(log_norm, inverse.T @ now.mean, below @ inverse), None

    return lax.scan(step, start, None, steps)[0]


def _hamiltons(left: "Monitored", right: "Monitored") -> tuple[jax.Array, jax.Array]:
    """((Bᵀ, −A), (C, −B)) and s + ½Tr B, from both sides of ρ₁₂."""
    hbar = left.hbar
    on_left, on_right = _bopp(left.modes, hbar)
    one, other = jnp.asarray(left.jumps), jnp.asarray(right.jumps)
    quadratic = (
        on_left.T @ (-0.5j / hbar * left.hamiltonian - 0.5 * one.conj().T @ one) @ on_left
        + on_right.T @ (0.5j / hbar * right.hamiltonian - 0.5 * other.T @ other.conj()) @ on_right
        + on_left.T @ (one.T @ other.conj()) @ on_right
    )
    a, b, c, s = _ordered(quadratic)
    return jnp.block([[b.T, -a], [c, -b]]), s + 0.5 * jnp.trace(b)


def _bopp(modes: int, hbar: float) -> tuple[np.ndarray, np.ndarray]:
    """What x is on the left and on the right of ρ, (2n, 4n) of (x, ∂)."""
    shift = 0.5j * hbar * symplectic_form(modes)
    identity = np.eye(2 * modes)
    return np.hstack([identity, shift]), np.hstack([identity, -shift])


def _ordered(quadratic: Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """A, B, C and s of ξᵀQξ, ξ = (x, ∂): derivatives moved to the left."""
    (xx, xd), (dx, dd) = (jnp.split(rows, 2, axis=1) for rows in jnp.split(quadratic, 2))
    return xx + xx.T, dx + xd.T, dd + dd.T, -jnp.trace(xd)
