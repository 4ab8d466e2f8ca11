r"""What each bin of a record says beyond what was known before it: a standard normal number, if the model is right.

$$z = \Phi^{-1}(F(y\,|\,\text{all before})),\qquad F = \Phi(x) - \varphi(x)\sum_{n\ge1}a_nHe_{n-1}(x),\; x=y/\sqrt h$$

with the distribution function F of the bin as the instrument has it, which for short bins makes z the innovation
$(y-\langle c+c^\dagger\rangle h)/\sqrt h$; of several columns each given those before it. Counts are spread over their
step of the distribution function at random. So z are independent and normal exactly, for bins of any width (Rosenblatt,
Ann. Math. Stat. 23, 470 (1952)); by Kraus maps, whose weights are polynomials in x, up to their own error of the width.
"""

from collections.abc import Callable
from itertools import product
from math import factorial
from typing import Any, NamedTuple
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtri
from jax.scipy.stats import norm

from stochq.arrays import Array
from stochq.compiling import compiled
from stochq.inference.reading import Reading
from stochq.inference.sampling import by_exponents, chance_below, chances_up_to, in_turn
from stochq.instruments.choose import build, largest_rate, most_clicks
from stochq.instruments.commuting import CommutingInstrument, Exponents
from stochq.instruments.exact import ExactInstrument
from stochq.instruments.hermite import Powers, powers_up_to
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.superoperators import traces

# Chances nearer to 0 or 1 are rounding.
_RAREST = 1e-15
# More clicks than come in a bin with this chance are left out of the law, unless they came.
_LEFT_OUT = 1e-7
# The degree in x of the weight of a Kraus map, and how many outcomes of a bin may be looked at.
_DEGREE, _MOST_OUTCOMES = 8, 1000
# What is in proportion to the law's coefficients, as of `by_exponents`, from the state, the bin and its length.
Law = Callable[[jax.Array, Written, jax.Array], jax.Array]


def innovations(found: Reading) -> np.ndarray | None:
    """Standard normal numbers (record, interval, column), currents before counters; None for Kraus maps of so many
    columns that their distribution functions would take too long."""
    observed = found.observed
    written = Written(*(jnp.asarray(part) for part in observed.written))
    lengths = np.asarray(observed.lengths)[np.asarray(written.which)]
    if found.kind == "commuting":
        z = _of_commuting(build("commuting", observed), found.initial, written, lengths)
    else:
        # Chances are of all numbers of clicks, not only of those that came.
        rate, longest = largest_rate(observed.parts), float(np.max(observed.lengths))
        most = max(observed.most_clicks, most_clicks(rate, longest, _LEFT_OUT))
        instrument = found._replace(observed=observed._replace(most_clicks=most)).instrument
        uniform = _uniform(observed.written)
        if isinstance(instrument, ExactInstrument):
            z = _of_exact(instrument, found.initial, written, lengths, uniform)
        else:
            degree = _DEGREE * 2**found.halvings
            if (degree + 1) ** written.current.shape[1] * (most + 1) ** written.clicks.shape[1] > _MOST_OUTCOMES:
                return None
            z = _of_kraus(instrument, found.initial, written, lengths, uniform, degree, most)
    return np.moveaxis(np.asarray(z), -1, 0)


def _uniform(written: Written) -> np.ndarray:
    """Uniform numbers (T, C, R), the same for the same record, and others for any other."""
    clicks, current = np.asarray(written.clicks), np.asarray(written.current)
    return np.random.default_rng(crc32(current.tobytes(), crc32(clicks.tobytes()))).random(clicks.shape)


@compiled
def _of_exact(instrument: ExactInstrument, state: Array, written: Written, lengths: Array, uniform: Array) -> jax.Array:
    """(T, K + C, R); uniform: (T, C, R) that spread the counts."""

    def law(state: jax.Array, now: Written, length: jax.Array) -> jax.Array:
        traced = jnp.einsum("i,pij,jr->pr", traces(instrument.dim), instrument.coefficients[now.which], state)
        return by_exponents(instrument.powers, traced)

    return _one_after_another(instrument, state, written, lengths, uniform, law)


class _Outcomes(NamedTuple):
    """What may be written in a bin, and how the chances of all of it make a law.

    x: (N, K) currents over √h. clicks: (N, C). powers: of the law. projection: (powers, N), from the weights.
    """

    x: np.ndarray
    clicks: np.ndarray
    powers: Powers
    projection: np.ndarray


def _outcomes(currents: int, counters: int, degree: int, most: int) -> _Outcomes:
    """Places at which the weight of a Kraus map tells all of it, times all numbers of clicks.

    degree: in x, of the weight. most: clicks of a counter.
    """
    points, numbers = degree + 1, most + 1
    roots, weights = np.polynomial.hermite_e.hermegauss(points)
    # From the values of a polynomial to a_n of Σ_n a_nHe_n.
    of_one = np.polynomial.hermite_e.hermevander(roots, degree).T * (weights / weights.sum())
    of_one /= np.array([[float(factorial(n))] for n in range(points)])
    of_currents = powers_up_to(currents, degree)
    places = np.array(list(product(range(points), repeat=currents)), int).reshape(points**currents, currents)
    clicks = np.array(list(product(range(numbers), repeat=counters)), int).reshape(numbers**counters, counters)
    projection = np.ones((len(of_currents), len(places)))
    for column, exponents in enumerate(zip(*of_currents, strict=True)):
        projection *= of_one[np.array(exponents)][:, places[:, column]]
    return _Outcomes(
        np.repeat(roots[places], len(clicks), axis=0),
        np.tile(clicks, (len(places), 1)),
        tuple((*power, *counts) for power in of_currents for counts in clicks.tolist()),
        np.kron(projection, np.eye(len(clicks))),
    )


@compiled
def _of_kraus(
    instrument: Instrument, state: Array, written: Written, lengths: Array, uniform: Array, degree: int, most: int
) -> jax.Array:
    """(T, K + C, R); uniform: (T, C, R) that spread the counts; degree, most: as of `_outcomes`."""
    outcomes = _outcomes(written.current.shape[1], written.clicks.shape[1], degree, most)

    def law(state: jax.Array, now: Written, length: jax.Array) -> jax.Array:
        records = now.current.shape[-1]
        current = jnp.repeat(jnp.sqrt(length) * outcomes.x[..., None], records, axis=-1)
        clicks = jnp.repeat(1.0 * outcomes.clicks[..., None], records, axis=-1)
        prepared = instrument.prepare(Written(current, clicks, jnp.full(len(outcomes.x), now.which)))
        weights = lax.map(lambda one: instrument.step(state, one)[1], prepared)
        return by_exponents(outcomes.powers, outcomes.projection @ weights)

    return _one_after_another(instrument, state, written, lengths, uniform, law)


def _one_after_another(
    instrument: Instrument, state: Array, written: Written, lengths: Array, uniform: Array, law: Law
) -> jax.Array:
    """(T, K + C, R) from the law of every bin given the state before it; uniform: (T, C, R) that spread the counts."""
    currents = written.current.shape[1]

    def step(state: Any, bin: tuple[Written, jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        now, length, spread = bin
        outcomes = jnp.concatenate([now.current / jnp.sqrt(length), now.clicks])
        chances = []

        def read(column: int, rows: jax.Array) -> jax.Array:
            outcome = outcomes[column]
            of_current = column < currents
            chances.append(
                chance_below(rows, outcome) if of_current else _spread(rows, outcome, spread[column - currents])
            )
            return outcome

        in_turn(law(state, now, length), currents, len(outcomes), read)
        prepared = instrument.prepare(jax.tree.map(lambda array: array[None], now))
        after, _ = instrument.step(state, jax.tree.map(lambda array: array[0], prepared))
        return after, _normal(jnp.stack(chances))

    start = instrument.start(state, written.current.shape[-1])
    return lax.scan(step, start, (written, jnp.asarray(lengths), jnp.asarray(uniform)))[1]


def _spread(rows: jax.Array, count: jax.Array, uniform: jax.Array) -> jax.Array:
    """The chance of fewer clicks, and a part of the chance of as many; rows: of 0, 1, … clicks."""
    chances = chances_up_to(rows)
    numbers = jnp.arange(len(rows))[:, None]
    upper = jnp.sum(jnp.where(numbers == count[None], chances, 0.0), axis=0)
    lower = jnp.sum(jnp.where(numbers == count[None] - 1, chances, 0.0), axis=0)
    return lower + uniform * (upper - lower)


@compiled
def _of_commuting(instrument: CommutingInstrument, state: Array, written: Written, lengths: Array) -> jax.Array:
    """(T, K, R): a mixture of normal laws, one for each level."""

    def step(state: Exponents, bin: tuple[Written, jax.Array]) -> tuple[Exponents, jax.Array]:
        now, length = bin
        weights = jnp.diagonal(instrument.density(state)).real.T
        place = 0 if len(instrument.currents) == 1 else now.which
        chances = []
        for operator, y in zip(instrument.currents[place], now.current, strict=True):
            mean = 2 * operator.real[:, None]
            shares = weights / jnp.sum(weights, axis=0, keepdims=True)
            chances.append(jnp.sum(shares * norm.cdf((y[None] - mean * length) / jnp.sqrt(length)), axis=0))
            weights = shares * jnp.exp(mean * y[None] - 0.5 * jnp.square(mean) * length)
        after, _ = instrument.step(state, (now.current, now.which))
        return after, _normal(jnp.stack(chances))

    start = instrument.start(state, written.current.shape[-1])
    return lax.scan(step, start, (written, jnp.asarray(lengths)))[1]


def _normal(chances: jax.Array) -> jax.Array:
    return ndtri(jnp.clip(chances, _RAREST, 1 - _RAREST))
