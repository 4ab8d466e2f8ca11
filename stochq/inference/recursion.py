r"""Recursive maximum likelihood: parameters that follow a record, by the score of each bin.

$$u \leftarrow u + R^{-1}\sum_j\lambda^{B-1-j}s_j,\qquad R \leftarrow \lambda^BR + \sum_j\lambda^{B-1-j}s_js_j^T$$

after every B bins, with $s_j = \partial_u\ln p(y_j\mid y_1\dots y_{j-1})$, for which the filter carries the derivatives
of its state along. With $S \leftarrow \lambda^{2B}S + \sum_j\lambda^{2(B-1-j)}s_js_j^T$ the estimate's covariance is
$R^{-1}SR^{-1}$.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array
from stochq.inference.coordinates import Coordinates
from stochq.inference.observed import observe
from stochq.inference.programs import Programs
from stochq.inference.reading import Reading, reading
from stochq.inference.records import Layout, checked_prediction
from stochq.inference.result import shaped
from stochq.instruments.choose import Kind

# A step goes no farther than so many standard errors, as of the estimate so far.
_LONGEST = 3.0


class Course(NamedTuple):
    """After every block: free coordinates (K, P), their covariance (K, P, P), and the record's log-likelihood so far
    as it was predicted, (K,)."""

    vector: Array
    covariance: Array
    log_likelihood: Array


class _Carried(NamedTuple):
    """u (P,), R and S (P, P), the filter's state and its derivatives with a leading axis (P,), log-likelihood."""

    vector: jax.Array
    information: jax.Array
    scatter: jax.Array
    state: Any
    slopes: Any
    total: jax.Array


class Recursion:
    """The recursion for a predict, the shapes of its parameters, their bounds and the layout of a block of bins."""

    def __init__(
        self,
        predict: Callable[[Any], Any],
        structure: Any,
        shapes: tuple[tuple[int, ...], ...],
        layout: Layout,
        bounds: tuple[bytes, bytes],
        halvings: int,
    ) -> None:
        self._predict, self._layout = predict, layout
        # Of the instrument, known once the course is compiled; halvings as of `Reading`.
        self.kind: Kind = "exact"
        self.halvings = halvings
        self._like = jax.tree_util.tree_unflatten(structure, [np.zeros(shape) for shape in shapes])
        self._coordinates = Coordinates(*(np.frombuffer(end) for end in bounds))
        self.course = jax.jit(self._course)

    def _course(
        self, start: jax.Array, information: jax.Array, forgetting: jax.Array, increments: jax.Array, count: jax.Array
    ) -> Course:
        """increments: (blocks, record, bin, column), of which so many bins (blocks,) of each are data."""
        identity = jnp.eye(len(start))
        state, slopes = _with_slopes(self._start, start, identity)
        carried = _Carried(start, information, information, state, slopes, jnp.zeros(()))
        step = functools.partial(self._block, forgetting, identity)
        return lax.scan(step, carried, (increments, count))[1]

    def _block(
        self, forgetting: jax.Array, identity: jax.Array, carried: _Carried, block: tuple[jax.Array, jax.Array]
    ) -> tuple[_Carried, Course]:
        increments, count = block

        def one(direction: jax.Array, slope: Any) -> Any:
            follow = functools.partial(self._follow, increments, count)
            return jax.jvp(follow, (carried.vector, carried.state), (direction, slope))

        (state, values), (slopes, scores) = jax.vmap(one, out_axes=((None, None), (0, -1)))(identity, carried.slopes)
        ages = jnp.maximum(count - 1 - jnp.arange(len(scores)), 0)
        known, scatter = (
            power**count * before + jnp.einsum("j,jrp,jrq->pq", power**ages, scores, scores)
            for power, before in ((forgetting, carried.information), (forgetting**2, carried.scatter))
        )
        gradient = jnp.einsum("j,jrp->p", forgetting**ages, scores)
        covariance = jnp.linalg.inv(known)
        step = covariance @ gradient
        length = jnp.sqrt(jnp.maximum(gradient @ step, 0.0))
        vector = carried.vector + step * jnp.minimum(1.0, _LONGEST / jnp.maximum(length, 1e-300))
        total = carried.total + jnp.sum(values)
        after = _Carried(vector, known, scatter, state, slopes, total)
        return after, Course(vector, covariance @ scatter @ covariance, total)

    def _read(self, vector: jax.Array, increments: jax.Array) -> Any:
        equation, state = checked_prediction(self._predict(shaped(self._coordinates.bounded(vector), self._like)))
        record = self._layout.record(increments)
        found = reading(equation, state, record, most_clicks=self._layout.most_clicks)
        self.kind = found.kind
        return equation, found._replace(halvings=self.halvings if found.kind == "mixed" else 0)

    def _start(self, vector: jax.Array) -> Any:
        records = self._layout.shape[0]
        _, found = self._read(vector, jnp.zeros(self._layout.shape))
        return _started(found, records)

    def _follow(self, increments: jax.Array, count: jax.Array, vector: jax.Array, state: Any) -> tuple[Any, jax.Array]:
        """The state after a block, and the log-likelihood of each bin, (bin, record)."""
        equation, found = self._read(vector, increments)
        state, values = _followed(found, state, count)
        inside = jnp.arange(len(values)) < count
        return state, values + jnp.where(inside[:, None], self._electronics(equation, increments).T, 0.0)

    def _electronics(self, equation: Any, increments: jax.Array) -> jax.Array:
        """What gain and offset add to the log-likelihood of each bin, (record, bin)."""
        records, bins, columns = increments.shape
        alone = self._layout._replace(times=self._layout.times[: 2 * 8], shape=(records * bins, 1, columns))
        each = alone.record(increments.reshape(alone.shape))
        return jnp.reshape(observe(equation, each, self._layout.most_clicks).correction, (records, bins))


# Within programs of their own, so that what does not depend on the parameters is traced too, as `build` needs it.
@eqx.filter_jit
def _started(found: Reading, records: int) -> Any:
    return found.instrument.start(found.initial, records)


@eqx.filter_jit
def _followed(found: Reading, state: Any, count: jax.Array) -> tuple[Any, jax.Array]:
    """The state after `count` bins, and the log-likelihood of each bin, (bin, record), 0 of those beyond."""
    instrument = found.instrument
    prepared = instrument.prepare(found.observed.written)

    def step(state: Any, inputs: Any) -> tuple[Any, jax.Array]:
        one, number = inputs
        after, weight = instrument.step(state, one)
        kept = jax.tree.map(lambda new, old: jnp.where(number < count, new, old), after, state)
        return kept, jnp.where(number < count, jnp.log(weight), 0.0)

    return lax.scan(step, state, (prepared, jnp.arange(len(found.observed.written.which))))


def _with_slopes(function: Callable[[Any], Any], at: jax.Array, directions: jax.Array) -> tuple[Any, Any]:
    """A function's value, and its derivatives with a leading axis (P,)."""
    return jax.vmap(lambda one: jax.jvp(function, (at,), (one,)), out_axes=(None, 0))(directions)


_kept = Programs(Recursion)


def recursion(
    predict: Callable[[Any], Any], like: Any, layout: Layout, coordinates: Coordinates, halvings: int
) -> Recursion:
    """The recursion at parameters like these, from those kept where it is among them."""
    bounds = (coordinates.low.tobytes(), coordinates.high.tobytes())
    return _kept.of(predict, like, layout, bounds, halvings)
