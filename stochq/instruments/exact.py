r"""Bins of any width without an error of the bin's width (Guilmin, Rouchon and Tilloy, arXiv 2505.20382).

$$\tilde\rho' = \sum_n He_n(y/\sqrt h)\,h^{-n/2}A_n\tilde\rho,\qquad
  e^{h(\mathcal L+\zeta\mathcal M)} = \sum_n\zeta^nA_n$$

He_n are the probabilists' polynomials; several columns give products of them. Of counted clicks the very coefficient
counts, of $e^{h(\mathcal L-\mathcal J+\zeta\mathcal J)}$: its trace is the chance of n clicks. A bin of many clicks
is put together of short ones, whose clicks add up: sums of positive maps, which keep their digits.
"""

from functools import partial
from math import lgamma, prod
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, nan_unless
from stochq.instruments.hermite import Powers, polynomials
from stochq.instruments.instrument import Instrument, Written
from stochq.instruments.superoperators import (
    click_maps,
    coordinates,
    current_maps,
    exponential,
    hermitian_basis,
    lindbladian,
    traces,
)
from stochq.measurement.line import WatchedParts

# Up to this many coordinates of ρ the maps of all records are made first, by one product of matrices.
_FEW_COORDINATES = 16
# What has no more weight than this is a rounding error: a click where nothing can click.
_IMPOSSIBLE = 1e-15
# Points on the circle from which the coefficients of a variable are found: the more variables, the fewer. Those of
# currents, whose series are long, go by the number of currents; those of clicks by that of all.
_POINTS, _POINTS_OF_MANY = {1: 48, 2: 40}, 24
# On wider circles e^{|ζ|} would cost the lowest coefficients digits.
_WIDEST = 6.0
# Clicks of one counter in a bin whose coefficients have their digits, and those to be expected in a part of a bin that
# has more.
_MOST_AT_ONCE, _EXPECTED_IN_PART = 16, 2.0
# So many times the radius of the circle may be expected of one counter, while the rates are traced.
_TOO_MANY = 2.0


@final
class ExactInstrument(Instrument):
    """coefficients: (bins, powers, dim², dim²) in coordinates of `hermitian_basis`; lengths: (bins,)."""

    coefficients: Array
    lengths: Array
    powers: Powers = eqx.field(static=True)

    @property
    def dim(self) -> int:
        return round(self.coefficients.shape[-1] ** 0.5)

    @property
    def _is_small(self) -> bool:
        return self.coefficients.shape[-1] <= _FEW_COORDINATES

    def start(self, state: Array, records: int) -> jax.Array:
        rho = jnp.asarray(state)
        if rho.ndim == 1:
            rho = jnp.outer(rho, rho.conj())
        return jnp.repeat(coordinates(rho)[:, None], records, axis=1)

    def prepare(self, written: Written) -> Any:
        values = polynomials(written, self.lengths[written.which], self.powers)
        if not self._is_small:
            return jnp.moveaxis(values, 1, 0), written.which
        return jnp.moveaxis(self._maps(values, written.which), -2, 0)

    def _maps(self, values: jax.Array, which: Array) -> jax.Array:
        """Σ_n values_n A_n of all bins and records, (dim², dim², T, R)."""
        if len(self.coefficients) == 1:
            return jnp.einsum("pij,ptr->ijtr", self.coefficients[0], values)
        return jnp.einsum("tpij,ptr->ijtr", self.coefficients[which], values)

    def linear(self, state: jax.Array, prepared: Any) -> jax.Array:
        if self._is_small:
            return jnp.sum(prepared * state[None], axis=1)
        values, which = prepared
        images = jnp.einsum("pij,jr->pir", self.coefficients[which], state)
        return jnp.sum(values[:, None] * images, axis=0)

    def step(self, state: jax.Array, prepared: Any) -> tuple[jax.Array, jax.Array]:
        after = self.linear(state, prepared)
        # Only the diagonal has a trace: its rows are few.
        row = traces(self.dim)
        weight = sum((after[i] for i in np.flatnonzero(row)[1:]), after[0])
        weight = jnp.where(weight <= _IMPOSSIBLE, 0.0, weight)
        return after / weight[None], weight

    def density(self, state: jax.Array) -> jax.Array:
        return jnp.einsum("ir,iab->abr", state, hermitian_basis(self.dim))

    def expect(self, state: jax.Array, operators: Array) -> jax.Array:
        rows = jnp.einsum("nab,iba->ni", operators, hermitian_basis(self.dim)).real
        return rows @ state

    def purity(self, state: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(state), axis=0)


def doublings_of(currents: int, counters: int, rate: float, most_clicks: int) -> int:
    """How often a bin is cut in two halves, so that coefficients of its parts have their digits.

    rate: of clicks in the longest bin, at most; most_clicks: of one counter in one bin.
    """
    if rate <= _radius(_points(currents, counters)[-1]) and most_clicks <= _MOST_AT_ONCE:
        return 0
    return int(np.ceil(np.log2(max(rate, most_clicks) / _EXPECTED_IN_PART)))


def _points(currents: int, counters: int) -> tuple[int, ...]:
    """On the circle of each variable, currents first."""
    of_current, of_counter = (_POINTS.get(count, _POINTS_OF_MANY) for count in (currents, currents + counters))
    return (of_current,) * currents + (of_counter,) * counters


def coefficients(parts: WatchedParts, length: Array, powers: Powers, doublings: int = 0) -> jax.Array:
    """h^{−n/2}A_n for each of the powers, (powers, dim², dim²); of the 2^doublings parts of a bin, and their product.

    Not a number where more clicks are expected in a part than its coefficients have digits for.
    """
    found = _coefficients(parts, length / 2**doublings, powers)
    if not doublings:
        return found
    currents = parts.watched.shape[-3]
    exponents = np.asarray(powers, int).reshape(len(powers), -1)
    rare = np.any(exponents[:, currents:] > _MOST_AT_ONCE, axis=1)
    found = jnp.where(rare[:, None, None], 0.0, found)
    # The variable of a current goes with the root of the length: ζ√h𝓜 for each half is √2 ζ√(2h)𝓜 for both.
    share = 0.5 ** (0.5 * exponents[:, :currents].sum(axis=1))
    numbers, places = (jnp.asarray(part) for part in _places_of_sums(exponents))

    def add(total: jax.Array, one: tuple[jax.Array, jax.Array], half: jax.Array) -> tuple[jax.Array, None]:
        first, number = one
        return total.at[places[number + numbers]].add(first @ half, mode="drop"), None

    for _ in range(doublings):
        total, _ = lax.scan(partial(add, half=found), jnp.zeros_like(found), (found, numbers))
        found = share[:, None, None] * total
    return found


def _places_of_sums(exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for each power (powers, variables), and where the power stands among them whose number is the sum of
    two; else how many they are.

    Powers are written as the digits of a number, large enough for their sums.
    """
    base = 2 * exponents.max(initial=0) + 1
    numbers = exponents @ base ** np.arange(exponents.shape[1])
    places = np.full(2 * numbers.max(initial=0) + 1, len(numbers))
    places[numbers] = np.arange(len(numbers))
    return numbers, places


def _coefficients(parts: WatchedParts, length: Array, powers: Powers) -> jax.Array:
    """Those of a whole bin.

    By values on circles |ζ| = r and their discrete Fourier transforms (Cauchy's integrals), with radii at which the
    series' terms hardly decay, so that each coefficient has its digits.
    """
    currents, clicks = jnp.sqrt(length) * current_maps(parts), length * click_maps(parts)
    variables = jnp.concatenate([currents, clicks])
    constant = length * lindbladian(parts) - jnp.sum(clicks, axis=0)
    points = _points(len(currents), len(clicks))
    sizes = _nodes(points)
    largest = np.array([_radius(each) for each in points])
    norms = lax.stop_gradient(jnp.maximum(_norms(variables), 1e-9))
    radii = largest / norms
    # Nodes in columns: Σ_k ζ_k X_k.
    nodes = np.indices(sizes).reshape(len(sizes), prod(sizes))
    turned = np.exp(2j * np.pi * nodes / np.array(points, float)[:, None])
    generators = constant[None] + jnp.einsum("kn,kij->nij", turned * radii[:, None], variables)
    exponents = np.asarray(powers, int).reshape(len(powers), len(points))
    found = _transformed(exponential(generators).reshape(*sizes, *constant.shape), points, exponents)
    found = found / jnp.prod(radii[None] ** exponents, axis=1)[:, None, None]
    too_many = jnp.any(norms[len(currents) :] > _TOO_MANY * largest[len(currents) :])
    return nan_unless(~too_many, found)


def _norms(matrices: jax.Array) -> jax.Array:
    """Spectral norms of matrices X (K, n, n), or a little more: |(XᵀX)⁸|^{1/16} by Frobenius' norm."""

    def size(square: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.sum(jnp.square(square), axis=(1, 2))) + 1e-300

    power = jnp.swapaxes(matrices, 1, 2) @ matrices
    log_size = jnp.zeros(len(matrices))
    for _ in range(3):
        unit = power / size(power)[:, None, None]
        log_size, power = 2 * (log_size + jnp.log(size(power))), unit @ unit
    return jnp.exp((log_size + jnp.log(size(power))) / 16)


def _nodes(points: tuple[int, ...]) -> tuple[int, ...]:
    """How many of so many points on each variable's circle are taken.

    The coefficients are real: of nodes that are conjugate to each other in all variables one is enough.
    """
    return (*points[:-1], points[-1] // 2 + 1) if points else ()


def _transformed(values: jax.Array, points: tuple[int, ...], exponents: np.ndarray) -> jax.Array:
    """The coefficients (powers, dim², dim²) from values (nodes of each variable..., dim², dim²), one variable after
    another. exponents: (powers, variables)."""
    highest = exponents.max(axis=0)
    for axis, (number, most) in enumerate(zip(points, highest, strict=True)):
        node = np.arange(values.shape[axis])
        # Those of half a circle stand for their conjugates, too, but for its ends.
        twice = (len(node) < number) & (node > 0) & (node < number // 2)
        waves = np.exp(-2j * np.pi / number * np.arange(most + 1)[:, None] * node)
        values = jnp.moveaxis(jnp.tensordot(np.where(twice, 2.0, 1.0) / number * waves, values, (1, axis)), 0, axis)
    return values.real[tuple(exponents.T)] if points else values.real[None]


def _radius(points: int) -> float:
    """Where the first aliased term, r^P/P!, is at the rounding."""
    return min(_WIDEST, float(np.exp((lgamma(points + 1) + np.log(1e-16)) / points)))
