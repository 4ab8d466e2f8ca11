r"""Kraus maps of bins that are halved inside: what the record did between a bin's ends is averaged over.

$$\mathcal R_h(y) = \operatorname{E}_z\,\mathcal R_{h/2}\big(\tfrac y2-\tfrac{\sqrt h}2z\big)\,
  \mathcal R_{h/2}\big(\tfrac y2+\tfrac{\sqrt h}2z\big)$$

exactly, for Gaussian z (a Brownian bridge in its middle). z has few values with the variances of a Gaussian here: what
depends on its fourth power is a commutator squared, of higher order in h. Each halving makes the error of the bins'
width four times smaller and takes four times the work for one current. Shorter steps of the Hamiltonian and of what is
lost, inside a bin whose record acts at once, do not help: the error is between them and the record.
"""

from itertools import product
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.kraus import KrausInstrument, hermitian, kraus_instrument
from stochq.instruments.words import Pairs
from stochq.measurement.line import WatchedParts

# More currents than these have too many values of z.
MOST_CURRENTS = 2
# Points for the mean over records: the polynomials in y of a bin that is halved once are integrated exactly.
_POINTS = 9


@final
class HalvedKraus(Instrument):
    """inner: of the shortest parts. mean: S as a row for states (bins, 2 dim, dim). halvings: how often."""

    inner: KrausInstrument
    mean: Array
    halvings: int = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return self.inner.dim

    def start(self, state: Array, records: int) -> jax.Array:
        return self.inner.start(state, records)

    def prepare(self, written: Written) -> Any:
        return written.current, written.which

    def linear(self, state: jax.Array, prepared: Any) -> jax.Array:
        current, which = prepared
        return _followed(self.inner, state, current, which, self.halvings)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        place = 0 if len(self.mean) == 1 else prepared[1]
        expected = jnp.sum(self.mean[place][..., None] * state, axis=(0, 1))
        after = self.linear(state, prepared)
        weight = jnp.trace(after[: self.dim])
        return hermitian(after) / weight[None, None], weight / expected

    def density(self, state: jax.Array) -> jax.Array:
        return self.inner.density(state)


def halved_instrument(parts: WatchedParts, lengths: Array, halvings: int, pairs: Pairs = ()) -> HalvedKraus:
    """The instrument of bins of these lengths (bins,), each halved so often.

    parts: of all bins, or with a leading axis (bins, ...); without counters. pairs: as of `kraus_instrument`.
    """
    lengths = jnp.asarray(lengths)
    inner = kraus_instrument(parts, lengths / 2**halvings, pure=False, pairs=pairs)
    currents = parts.watched.shape[-3]
    mean = jax.vmap(lambda which: _mean_of_records(inner, which, currents, halvings))(jnp.arange(len(lengths)))
    return HalvedKraus(inner, mean, halvings)


def _followed(inner: KrausInstrument, state: jax.Array, current: jax.Array, which: Array, halvings: int) -> jax.Array:
    """ρ̃' after a bin with currents (K, R), made of 2^halvings parts."""
    if not halvings:
        records = current.shape[-1]
        written = Written(current[None], jnp.zeros((1, 0, records)), jnp.asarray(which)[None])
        return inner.linear(state, jax.tree.map(lambda array: array[0], inner.prepare(written)))
    values = _values(len(current))
    move = 0.5 * jnp.sqrt(inner.lengths[which] * 2**halvings) * jnp.asarray(values.T)[..., None]
    # One value of z after the other on the axis of the records.
    early, late = ((0.5 * current[:, None] + sign * move).reshape(len(current), -1) for sign in (1.0, -1.0))
    state = jnp.tile(state, (1, 1, len(values)))
    for part in (early, late):
        state = _followed(inner, state, part, which, halvings - 1)
    return jnp.mean(state.reshape(*state.shape[:2], len(values), -1), axis=2)


def _values(currents: int) -> np.ndarray:
    """Values of z, (values, K), equally likely: ±1 in each, whose odd moments vanish and whose squares are 1."""
    return np.array(list(product((1.0, -1.0), repeat=currents)))


def _mean_of_records(inner: KrausInstrument, which: Array, currents: int, halvings: int) -> jax.Array:
    """S as the derivative of the mean weight over Wiener records with respect to the state, (2 dim, dim)."""
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    nodes = np.array(list(product(points, repeat=currents))).T
    chances = np.prod(list(product(weights / weights.sum(), repeat=currents)), axis=1)
    current = jnp.sqrt(inner.lengths[which] * 2**halvings) * nodes

    def weight(state: jax.Array) -> jax.Array:
        repeated = jnp.repeat(state[..., None], len(chances), axis=-1)
        after = _followed(inner, repeated, current, which, halvings)
        return jnp.trace(after[: inner.dim]) @ chances

    # Linear in the state.
    return jax.grad(weight)(jnp.zeros((2 * inner.dim, inner.dim)))
