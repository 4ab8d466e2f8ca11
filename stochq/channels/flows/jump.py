r"""A step of one channel's jumps alone, with up to two clicks.

Between clicks $\tilde\psi(\tau) = e^{-G\tau/2}\psi$ with $G=\sum_kL_k^\dagger L_k$. A click happens in what is left of
the step, r, if ‖ψ̃(r)‖² has fallen below a uniform number; its time is taken where the straight line between ‖ψ̃(0)‖²
and ‖ψ̃(r)‖² reaches it. That, and leaving out a third click, are errors of the order h³ in a step: weak order 2.
"""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.channels.flow import Flow, Stepped
from stochq.channels.jumps import Jumps
from stochq.noise import Budget, StepNoise
from stochq.systems.linear import apply_matrix, column, level_sum, populations, times_real

_MOST_CLICKS = 2


@final
class JumpFlow(Flow):
    """See above. The record is the clicks of each operator, (K, *columns)."""

    @property
    def jumps(self) -> Jumps:
        return self.channel.jumps()

    @property
    def budget(self) -> Budget:
        return Budget(uniforms=_MOST_CLICKS * (1 + self.jumps.uniforms))

    @property
    def missing_record(self) -> str:
        return "" if self.jumps.count else f"{type(self.channel).__name__} does not tell its operators apart"

    def terms(self, dt: jax.Array) -> Any:
        """The rates (dim,) in the basis where G is diagonal, and that basis as columns; None for the channel's own."""
        loss = jnp.asarray(self.jumps.loss())
        return (loss, None) if loss.ndim == 1 else jnp.linalg.eigh(loss)

    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        rates, vectors = terms
        jumps, each = self.jumps, 1 + self.jumps.uniforms
        left = jnp.broadcast_to(dt, psi.shape[1:])
        record = jnp.zeros((jumps.count, *psi.shape[1:]), psi.real.dtype)
        kinds = column(jnp.arange(jumps.count), record)
        for click in range(_MOST_CLICKS):
            uniforms = noise.uniforms[click * each : (click + 1) * each]
            psi, left, clicks = _to_click(rates, vectors, psi, left, uniforms[0])
            after, operator = jumps.click(psi, uniforms[1:])
            psi = jnp.where(clicks[None], after, psi)
            record = record + (clicks[None] & (operator[None] == kinds)).astype(record.dtype)
        psi = _damped(rates, vectors, psi, left)
        return psi, record if jumps.count else None


def _to_click(
    rates: jax.Array, vectors: jax.Array | None, psi: jax.Array, left: jax.Array, uniform: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The state just before a click, or at the end where there is none; the time left then; who clicks."""
    weights = populations(psi if vectors is None else apply_matrix(vectors.conj().T, psi))
    total = level_sum(weights)[0]
    survives = level_sum(jnp.exp(-column(rates, psi) * left[None]) * weights)[0] / total
    clicks = uniform > survives
    elapsed = jnp.where(clicks, left * (1 - uniform) / jnp.where(clicks, 1 - survives, 1), left)
    return _damped(rates, vectors, psi, elapsed), left - elapsed, clicks


def _damped(rates: jax.Array, vectors: jax.Array | None, psi: jax.Array, time: jax.Array) -> jax.Array:
    """e^{−Gt/2}ψ, normalised."""
    inside = psi if vectors is None else apply_matrix(vectors.conj().T, psi)
    damped = times_real(jnp.exp(-0.5 * column(rates, psi) * time[None]), inside)
    damped = times_real(jax.lax.rsqrt(level_sum(populations(damped))), damped)
    return damped if vectors is None else apply_matrix(vectors, damped)
