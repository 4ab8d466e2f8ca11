r"""The diagonal of all strings of Z as a sum over two groups of sites, a small table for either.

$$D(s) = D_1(s_A) + D_2(s_B), \qquad e^{-iD\tau} = e^{-iD_1(s_A)\tau}\,e^{-iD_2(s_B)\tau}$$

A is the lower half of the sites, B the upper half and what its strings reach below. On a chain either table is about as
long as the root of a state; where strings reach everywhere B is all sites, and its table as long as a state.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from stochq.arrays import Array
from stochq.compiling import by_rows
from stochq.module import Module
from stochq.systems.hamiltonian import Planes
from stochq.systems.linear import MATMUL_PRECISION, column
from stochq.systems.propagation.strings import String
from stochq.systems.propagation.windows import apply_real, windows_of

# Elements of a matrix of signs that is a constant of a program.
_SMALL_MATRIX = 2**16
# Up to so many columns each is multiplied by the factors of all tables, one after another.
_FEW_COLUMNS = 4


@final
class DiagonalSum(Module):
    """D on some spins: tables (2^k,), by the states of the sites in a group, ascending, for each."""

    tables: tuple[Array, ...]
    groups: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    sites: int = eqx.field(static=True)

    def times(self, plane: jax.Array) -> jax.Array:
        """Dψ of a real array (dim, *columns)."""
        shape = self._shape(plane)
        grouped = plane.reshape(shape)
        tables = [jnp.asarray(table, plane.dtype) for table in self.tables]
        parts = [self._spread(k, table, grouped) * grouped for k, table in enumerate(tables)]
        return sum(parts[1:], parts[0]).reshape(plane.shape)

    def added_to(self, total: jax.Array, factor: jax.Array, shift: jax.Array, plane: jax.Array) -> jax.Array:
        """total + factor (D − shift)ψ of a real array (dim, *columns)."""
        shape = self._shape(plane)
        plane, total = plane.reshape(shape), total.reshape(shape)
        # Neither numbers nor tables are put together: loops would keep one more state for each.
        tables = [self._spread(k, jnp.asarray(table, plane.dtype), plane) for k, table in enumerate(self.tables)]
        for part in (*tables, -shift):
            total = total + factor * (part * plane)
        return total.reshape(-1, *shape[len(self._runs) :])

    def apply_phases(self, factors: Sequence[Planes], planes: Planes) -> Planes:
        """A state times complex numbers for each table, given by their real and imaginary parts (2^k,)."""
        if planes[0].size > _FEW_COLUMNS << self.sites:
            return product([column(part, planes[0]) for part in self.product(factors)], planes)
        # Their product would be one more state, and take as long to make.
        shape = self._shape(planes[0])
        grouped = planes[0].reshape(shape), planes[1].reshape(shape)
        for k, factor in enumerate(factors):
            grouped = product([self._spread(k, part, grouped[0]) for part in factor], grouped)
        return grouped[0].reshape(planes[0].shape), grouped[1].reshape(planes[1].shape)

    def product(self, factors: Sequence[Planes]) -> Planes:
        """The product (dim,) of complex numbers for each table, given by their real and imaginary parts (2^k,)."""
        if len(factors) == 1:
            return factors[0]
        lower, upper = factors
        half, reached = len(self.groups[0]), len(self.groups[1]) - (self.sites - len(self.groups[0]))
        shape = [2 ** (last - first) for first, last in self._runs if last <= half]
        spread = [2 ** (last - first) if first in self.groups[1] else 1 for first, last in self._runs if last <= half]

        def row(upper: jax.Array, *lower: jax.Array) -> Planes:
            real, imag = product((upper[0].reshape(spread), upper[1].reshape(spread)), lower)
            return real.reshape(-1), imag.reshape(-1)

        rows = jnp.stack(upper, 1).reshape(-1, 2**reached, 2).swapaxes(1, 2)
        # Of all rows in one kernel: XLA would work the product out for every column of a state.
        real, imag = by_rows(row, rows, *(part.reshape(shape) for part in lower))
        return real.reshape(-1), imag.reshape(-1)

    def quarter_turns(self, sites: Iterable[int]) -> list[np.ndarray]:
        """The diagonal of diag(1, i) at each of some sites as a product, (2^k,) for each table."""
        left, factors = set(sites), []
        for group in self.groups:
            factors.append(quarter_turns(2 ** len(group), [group.index(site) for site in group if site in left]))
            left -= set(group)
        return factors

    @property
    def _runs(self) -> list[tuple[int, int]]:
        """All sites, cut where a group begins or ends: (first, behind the last), the highest first."""
        inside = [[site in group for group in self.groups] for site in range(self.sites)]
        edges = [0, *(site for site in range(1, self.sites) if inside[site] != inside[site - 1]), self.sites]
        return list(zip(edges[:-1], edges[1:], strict=True))[::-1]

    def _shape(self, plane: jax.Array) -> tuple[int, ...]:
        """With an axis for each run of sites."""
        return (*(2 ** (last - first) for first, last in self._runs), *plane.shape[1:])

    def _spread(self, k: int, table: Array, plane: jax.Array) -> jax.Array:
        """A table to be multiplied into a plane of that shape."""
        shape = [2 ** (last - first) if first in self.groups[k] else 1 for first, last in self._runs]
        return jnp.reshape(table, shape + [1] * (plane.ndim - len(shape)))


def diagonal_of(sites: int, strings: Sequence[String], coefficients: Array) -> DiagonalSum:
    """The sum of strings of Z with coefficients (strings,)."""
    groups, places = _groups(sites, tuple(strings))
    tables = []
    for group, inside in zip(groups, places, strict=True):
        masks = [sum(1 << group.index(site) for site, _ in strings[place]) for place in inside]
        tables.append(_transform(len(group), masks, coefficients[np.array(inside, int)]))
    return DiagonalSum(tuple(tables), groups, sites)


@lru_cache(maxsize=256)
def _groups(sites: int, strings: tuple[String, ...]) -> tuple[tuple[tuple[int, ...], ...], tuple[list[int], ...]]:
    """The sites that each table depends on, and the places of its strings."""
    half = sites // 2
    below = [place for place, string in enumerate(strings) if all(site < half for site, _ in string)]
    above = [place for place in range(len(strings)) if place not in below]
    upper = tuple(sorted({site for place in above for site, _ in strings[place]} | set(range(half, sites))))
    if not half or len(upper) == sites:
        return (tuple(range(sites)),), (list(range(len(strings))),)
    return (tuple(range(half)), upper), (below, above)


def signed_sum(sites: int, strings: Sequence[String], coefficients: Array) -> Array:
    """Σ c_k (−1)^{number of down spins among the sites of string k}, (dim,)."""
    return _transform(sites, [sum(1 << site for site, _ in string) for string in strings], coefficients)


def _transform(sites: int, masks: Sequence[int], coefficients: Array) -> Array:
    """The same, of strings given by their sites as bits: the Walsh-Hadamard transform of the coefficients."""
    places = np.array(masks, int)
    if isinstance(coefficients, np.ndarray):
        values = np.zeros(2**sites)
        np.add.at(values, places, coefficients)
        for first, count in windows_of(sites):
            values = (scipy.linalg.hadamard(2**count) @ values.reshape(-1, 2**count, 2**first)).reshape(-1)
        return values
    if len(masks) << sites <= _SMALL_MATRIX:
        # One operation: short runs are traced longer than they take.
        odd = np.bitwise_count(places[:, None] & np.arange(2**sites)) % 2
        signs = jnp.asarray(1 - 2 * odd.astype(np.int8), coefficients.dtype)
        return jnp.matmul(coefficients, signs, precision=MATMUL_PRECISION)
    values = jnp.zeros(2**sites, coefficients.dtype).at[places].add(coefficients)
    for first, count in windows_of(sites):
        values = apply_real(jnp.asarray(scipy.linalg.hadamard(2**count), values.dtype), values, first)
    return values


def product(one: Sequence[jax.Array], other: Sequence[jax.Array]) -> Planes:
    """Of complex numbers."""
    return one[0] * other[0] - one[1] * other[1], one[0] * other[1] + one[1] * other[0]


def quarter_turns(dim: int, sites: Iterable[int]) -> np.ndarray:
    """The diagonal (dim,) of diag(1, i) at each of these sites."""
    states = np.arange(dim)
    down = sum(((states >> site) & 1 for site in sites), np.zeros(dim, int))
    return np.array([1, 1j, -1, -1j], np.complex64)[down % 4]
