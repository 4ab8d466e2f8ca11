"""What a click of a channel does to a state, by what is cheapest for each family of operators."""

import abc
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete
from stochq.channels.born import draw_one
from stochq.module import Module
from stochq.systems.linear import column, level_sum, multiply, normalized, populations, shift, times_real

# Off-diagonal elements of a sum of L†L below this part of its largest element are rounding.
_ROUNDING = 1e-14


class Jumps(Module):
    """The jumps of a channel. Abstract. States are in the channel's own basis, (dim, *columns), and normalised.

    uniforms: how many uniform numbers one click takes.
    """

    uniforms: int = eqx.field(static=True, default=1, kw_only=True)

    @property
    @abc.abstractmethod
    def count(self) -> int:
        """How many kinds of clicks are told apart; 0 where none are."""

    @abc.abstractmethod
    def loss(self) -> Array:
        """Σ_k L_k†L_k, exactly, whose expectation is the rate of clicks: (dim,) where it is diagonal, or (dim, dim)."""

    @abc.abstractmethod
    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        """L_kψ/‖L_kψ‖ with k drawn ∝ ‖L_kψ‖², and k (*columns,). uniforms: (self.uniforms, *columns) in (0, 1]."""


@final
class OperatorJumps(Jumps):
    """Of operators that are written down: all L_kψ, of which one is taken."""

    channel: Any

    @property
    def count(self) -> int:
        return self.channel.count

    def loss(self) -> Array:
        return self.channel.exact_loss()

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        images = self.channel.apply_all(psi)
        if self.count == 1:
            return normalized(images[0]), jnp.zeros(psi.shape[1:], jnp.int32)
        weights = jax.vmap(level_sum)(populations(images))[:, 0]
        chosen = draw_one(weights, uniforms[0])
        return normalized(jnp.take_along_axis(images, chosen[None, None], axis=0)[0]), chosen


@final
class BandJumps(Jumps):
    """Of several operators that have one diagonal each: the operator is drawn by its rates, and it alone acts.

    bands (K, bands, dim), offsets: as of `BandedOperators`; rates: the diagonals of L_k†L_k, (K, dim).
    """

    bands: Array
    rates: Array
    offsets: tuple[int, ...] = eqx.field(static=True)

    @property
    def count(self) -> int:
        return len(self.rates)

    def loss(self) -> Array:
        return self.rates.sum(axis=0)

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        chosen = draw_one(multiply(self.rates, populations(psi)), uniforms[0])
        total = jnp.zeros_like(psi)
        for place, offset in enumerate(self.offsets):
            total = total + self._chosen_band(place, chosen) * shift(psi, offset)
        return normalized(total), chosen

    def _chosen_band(self, place: int, chosen: jax.Array) -> jax.Array:
        """A band of the operators that were drawn, (dim, *columns): by a product, where looking up takes ten times as
        long on a processor."""
        bands = jnp.asarray(self.bands)[:, place].T
        kinds = jnp.arange(self.count, dtype=chosen.dtype).reshape(-1, *(1,) * chosen.ndim)
        is_chosen = (chosen[None] == kinds).astype(bands.real.dtype)
        if not jnp.iscomplexobj(bands):
            return multiply(bands, is_chosen)
        return jax.lax.complex(multiply(bands.real, is_chosen), multiply(bands.imag, is_chosen))


@final
class DiagonalJumps(Jumps):
    """Of L_k = diag(F_k). matrix: F (K, dim), real."""

    matrix: Array

    @property
    def count(self) -> int:
        return self.matrix.shape[0]

    def loss(self) -> Array:
        return (np if is_concrete(self.matrix) else jnp).sum(self.matrix**2, axis=0)

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        chosen = draw_one(multiply(jnp.square(self.matrix), populations(psi)), uniforms[0])
        return normalized(times_real(jnp.moveaxis(jnp.asarray(self.matrix)[chosen], -1, 0), psi)), chosen


@final
class ProjectionJumps(Jumps):
    """Of L_k = √rate_k |k⟩⟨k|: to |k⟩ at the rate rate_k |ψ_k|². rates: (dim,)."""

    rates: Array

    @property
    def count(self) -> int:
        return self.rates.shape[0]

    def loss(self) -> Array:
        return self.rates

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        chosen = draw_one(column(self.rates, psi) * populations(psi), uniforms[0])
        return normalized(jnp.where(_is_level(chosen, psi), psi, 0)), chosen


@final
class ArrivalJumps(Jumps):
    """Of L_μν = √J_μν |μ⟩⟨ν|: to |μ⟩ at the rate Σ_ν J_μν|ψ_ν|², whatever level is left; these are not told apart.

    channel: the transitions; cumulative: ΣA/ΣA over the levels up to μ where J_μν = A_μ, None elsewhere.
    """

    channel: Any
    cumulative: Array | None

    @property
    def count(self) -> int:
        return 0

    def loss(self) -> Array:
        loss = self.channel.loss()
        return np.asarray(loss) if is_concrete(loss) else loss

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        if self.cumulative is None:
            chosen = draw_one(self.channel.gain(populations(psi)), uniforms[0])
        else:
            chosen = _from_cumulative(self.cumulative, uniforms[0])
        return _is_level(chosen, psi).astype(psi.dtype), jnp.zeros_like(chosen)


@final
class PositionJumps(Jumps):
    """Of L_z = diag(r(x − z)) for all points z of a periodic grid: hits at z that are r² around a place where |ψ|² is.

    profile: r on the grid (points, ...), real and even; cumulative: of r² over the grid, flattened, its last one 1.
    """

    profile: Array
    cumulative: Array

    @property
    def count(self) -> int:
        return self.profile.size

    def loss(self) -> Array:
        library: Any = np if is_concrete(self.profile) else jnp
        return library.full(self.profile.size, library.sum(self.profile**2))

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape = self.profile.shape
        place = draw_one(populations(psi), uniforms[0])
        offset = _from_cumulative(self.cumulative, uniforms[1])
        centre = [
            (one + other) % points
            for one, other, points in zip(
                jnp.unravel_index(place, shape), jnp.unravel_index(offset, shape), shape, strict=True
            )
        ]
        grid = np.indices(shape).reshape(len(shape), -1)
        away = tuple(
            (column(axis, psi) - one[None]) % points for axis, one, points in zip(grid, centre, shape, strict=True)
        )
        return normalized(times_real(jnp.asarray(self.profile)[away], psi)), jnp.ravel_multi_index(
            tuple(centre), shape, mode="clip"
        )


@final
class KickJumps(Jumps):
    """Of shifts by q levels: from where |ψ|² is, at the rates (dim, dim) of n → m."""

    rates: Array

    @property
    def count(self) -> int:
        return 2 * self.rates.shape[0] - 1

    def loss(self) -> Array:
        return (np if is_concrete(self.rates) else jnp).sum(self.rates, axis=0)

    def click(self, psi: jax.Array, uniforms: jax.Array) -> tuple[jax.Array, jax.Array]:
        dim, rates = psi.shape[0], jnp.asarray(self.rates)
        left = draw_one(column(self.loss(), psi) * populations(psi), uniforms[0])
        kick = draw_one(rates.T[left].T, uniforms[1]) - left
        level = column(jnp.arange(dim), psi)
        source = level - kick[None]
        inside = (source >= 0) & (source < dim)
        source = jnp.clip(source, 0, dim - 1)
        amplitude = jnp.where(inside, jnp.sqrt(rates[jnp.broadcast_to(level, source.shape), source]), 0)
        return normalized(times_real(amplitude, jnp.take_along_axis(psi, source, axis=0))), kick + (dim - 1)


def _from_cumulative(cumulative: Array, uniform: jax.Array) -> jax.Array:
    """An index j with the chance c_j − c_{j−1}."""
    found = jnp.searchsorted(jnp.asarray(cumulative), uniform, side="left")
    return jnp.minimum(found, len(cumulative) - 1).astype(jnp.int32)


def _is_level(chosen: jax.Array, psi: jax.Array) -> jax.Array:
    return column(jnp.arange(psi.shape[0], dtype=jnp.int32), psi) == chosen[None]


def as_loss(matrix: Array) -> Array:
    """A sum of L†L as its diagonal where it is diagonal and may be looked at."""
    if not is_concrete(matrix) or matrix.ndim == 1:
        return matrix
    matrix = np.asarray(matrix)
    diagonal = np.diagonal(matrix).real
    rest = np.abs(matrix - np.diag(np.diagonal(matrix))).max(initial=0.0)
    return diagonal.copy() if rest <= _ROUNDING * np.abs(diagonal).max(initial=0.0) else matrix
