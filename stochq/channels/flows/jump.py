r"""A step of one channel's jumps alone, with as many clicks as there are.

Between clicks $\tilde\psi(\tau) = e^{-G\tau/2}\psi$ with $G=\sum_kL_k^\dagger L_k$. A click happens in what is left of
the step if ‖ψ̃‖² falls below a uniform number u in it, at the time of ln ‖ψ̃‖² = ln u: a convex function, the search for
whose root begins where the straight line between its ends has it, which is the root where all rates are alike.
"""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.channels.flow import Flow, Stepped
from stochq.channels.jumps import Jumps
from stochq.noise import Budget, StepNoise, threefry
from stochq.noise.normals import uniform
from stochq.systems.linear import apply_matrix, column, level_sum, populations, times_real

# So many clicks have random numbers of their own, and are made without asking whether anybody clicks.
_DRAWN = 2
# A trajectory with more clicks in one step counts as failed.
_MOST_CLICKS = 2**16
# Of Newton's method, from the straight line on, which alone errs by the third order in the step.
_NEWTON_STEPS = 1
# Eigenvalues of G below this part of the largest, in units of rounding, are zero: dark states do not click.
_DARK = 8


@final
class JumpFlow(Flow):
    """See above. The record is the clicks of each operator, (K, *columns)."""

    @property
    def normalises(self) -> bool:
        return True

    @property
    def step_limit(self) -> None:
        """As many clicks as there are: off by no more than 0.04 of a range in steps of a hundred clicks."""

    @property
    def jumps(self) -> Jumps:
        return self.channel.jumps()

    @property
    def budget(self) -> Budget:
        return Budget(uniforms=_DRAWN * (1 + self.jumps.uniforms))

    @property
    def missing_record(self) -> str:
        return "" if self.jumps.count else f"{type(self.channel).__name__} does not tell its operators apart"

    def terms(self, dt: jax.Array) -> Any:
        """The rates (dim,) in the basis where G is diagonal, and that basis as columns; None for the channel's own."""
        loss = jnp.asarray(self.jumps.loss())
        if loss.ndim == 1:
            return loss, None
        rates, vectors = jnp.linalg.eigh(loss)
        return jnp.where(rates > _DARK * jnp.finfo(rates.dtype).eps * rates[-1], rates, 0), vectors

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        jumps, each, (rates, vectors) = self.jumps, 1 + self.jumps.uniforms, terms
        record = jnp.zeros((jumps.count, *psi.shape[1:]), psi.real.dtype)
        kinds = column(jnp.arange(jumps.count), record)

        def click(
            uniforms: jax.Array, psi: jax.Array, left: jax.Array, record: jax.Array
        ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
            psi, left, clicks = _to_click(rates, vectors, psi, left, uniforms[0])
            after, operator = jumps.click(psi, uniforms[1:])
            psi = jnp.where(clicks[None], after, psi)
            return psi, left, record + (clicks[None] & (operator[None] == kinds)).astype(record.dtype), clicks

        def again(carry: tuple) -> tuple:
            number, psi, left, record, _ = carry
            return number + np.uint32(1), *click(_later_uniforms(noise.uniforms, each, number), psi, left, record)

        def goes_on(carry: tuple) -> jax.Array:
            return jnp.any(carry[-1]) & (carry[0] < _MOST_CLICKS)

        left = jnp.broadcast_to(dt, psi.shape[1:])
        clicks = jnp.ones(psi.shape[1:], bool)
        for number in range(_DRAWN):
            uniforms = noise.uniforms[number * each : (number + 1) * each]
            psi, left, record, clicks = click(uniforms, psi, left, record)
        _, psi, _, record, clicks = lax.while_loop(goes_on, again, (jnp.uint32(_DRAWN), psi, left, record, clicks))
        psi = jnp.where(clicks[None], jnp.nan, psi)
        return psi, record if jumps.count else None


def _later_uniforms(drawn: jax.Array, count: int, number: jax.Array) -> jax.Array:
    """The uniform numbers (count, *columns) of one of a step's later clicks, from those that were drawn, which are the
    key of a cipher: a run cannot set aside as many as the most clicks take."""
    key = (drawn[:2] * np.asarray(2.0**31, drawn.dtype)).astype(jnp.uint32)
    counter, words = jnp.broadcast_to(number, drawn.shape[1:]), []
    for slot in range(-(-count // 2)):
        words.extend(threefry(key, counter, jnp.full_like(counter, slot)))
    return jnp.stack([uniform(word, drawn.dtype) for word in words[:count]])


def _to_click(
    rates: jax.Array, vectors: jax.Array | None, psi: jax.Array, left: jax.Array, uniform: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The state just before a click, or at the end where there is none; the time left then; who clicks."""
    inside = psi if vectors is None else apply_matrix(vectors.conj().T, psi)
    rates, weights = column(rates, psi), populations(inside)
    weights = weights / level_sum(weights)
    tiny = jnp.finfo(weights.dtype).tiny
    survives = level_sum(jnp.exp(-rates * left[None]) * weights)[0]
    clicks = uniform > survives
    wanted = jnp.log(jnp.where(clicks, uniform, 1))
    elapsed = left * wanted / jnp.where(clicks, jnp.log(jnp.maximum(survives, tiny)), -1)

    for _ in range(_NEWTON_STEPS):
        remaining = jnp.exp(-rates * elapsed[None]) * weights
        total = jnp.maximum(level_sum(remaining)[0], tiny)
        slope = jnp.maximum(level_sum(rates * remaining)[0] / total, tiny)
        elapsed = jnp.clip(elapsed + (jnp.log(total) - wanted) / slope, 0, left)
    elapsed = jnp.where(clicks, elapsed, left)
    damped = times_real(jnp.exp(-0.5 * rates * elapsed[None]), inside)
    damped = times_real(lax.rsqrt(level_sum(populations(damped))), damped)
    return damped if vectors is None else apply_matrix(vectors, damped), left - elapsed, clicks
