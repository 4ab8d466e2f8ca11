"""Random kicks whose distribution depends on the momentum: collapse that dissipates."""

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, is_concrete
from stochq.channels.channel import Channel
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_rates

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


@final
class Kicks(Channel):
    r"""Shifts of a ladder by q levels, at a rate that depends on the level that is left.

    $$L_q = \sum_n\sqrt{J_{n+q,n}}\,|n+q\rangle\langle n|, \qquad q = 1-d\dots d-1$$

    Coherences move with the populations, so that kicks commute with shifts in the conjugate variable: in a basis of
    momenta they act alike everywhere in space. (Transitions at the same rates are d² operators and leave no coherence.)

    Args:
        rates: J_mn of n → m (dim, dim), 1/time.
        basis: in which the ladder is written, None for the given one.

    Raises:
        ValueError: for rates that are negative or no square matrix.

    >>> Kicks([[0.0, 0.4], [0.9, 0.0]]).operators().real.round(3)[2].tolist()
    [[0.0, 0.0], [0.949, 0.0]]
    """

    rates: np.ndarray | jax.Array

    def __init__(self, rates: np.ndarray, basis: Basis | None = None) -> None:
        check_rates("rates", rates, "(dim, dim)")
        self.rates = np.asarray(rates, float)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.rates.shape[0]

    @property
    def count(self) -> int:
        return 2 * self.dim - 1

    def operators(self) -> Array:
        library: Any = np if is_concrete(self.rates) else jnp
        to, left = np.indices((self.dim, self.dim))
        # By masks: rates may be traced, and are not written into arrays of NumPy then.
        kicks = to - left == np.arange(1 - self.dim, self.dim)[:, None, None]
        return kicks * library.sqrt(self.rates)[None] + 0j

    def total_loss(self) -> np.ndarray:
        return np.asarray(self.rates).sum(axis=0)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Shift by shift, along the diagonals of ρ."""
        dim, loss = self.dim, jnp.sum(jnp.asarray(self.rates), axis=0)
        amplitudes = jnp.sqrt(jnp.asarray(self.rates))
        level = jnp.arange(dim)

        def add(total: jax.Array, shift: jax.Array) -> tuple[jax.Array, None]:
            left = level - shift
            inside = (left >= 0) & (left < dim)
            left = jnp.clip(left, 0, dim - 1)
            weight = jnp.where(inside, amplitudes[level, left], 0)
            moved = rho[left[:, None], left[None, :]]
            return total + weight[:, None] * weight[None, :] * moved, None

        start = -0.5 * (loss[:, None] + loss[None, :]) * rho
        return lax.scan(add, start, jnp.arange(1 - dim, dim))[0]

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import KickJumps

        return KickJumps(self.rates, uniforms=2)
