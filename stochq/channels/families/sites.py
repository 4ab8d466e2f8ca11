"""Operators of single spins on states of many, never as arrays of operators times states."""

from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, as_matrix, as_real, square_root
from stochq.channels.families.banded import BandedOperators
from stochq.channels.families.diagonal import DiagonalCollapse
from stochq.channels.families.features import Features
from stochq.noise.roots import root
from stochq.systems.basis import Basis, Given
from stochq.systems.checks import check_count, check_rates
from stochq.systems.linear import column, multiply

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps

# An operator at one site is held as its diagonals over all states.
_MOST_SPINS = 24


@final
class SiteCollapse(DiagonalCollapse):
    r"""Collapse by sigma_z of every spin, $L_j = \sqrt{\lambda_j}\,\sigma^z_j$.

    In a product basis it is by another Pauli matrix. What acts on the states is made of two halves of the chain, of the
    size of a state's root.

    Args:
        rates: λ_j (sites,), inverse times, site j at bit j of a state's index.
        basis: the basis in which they are diagonal, such as `sq.channels.ProductBasis("x", sites)`.

    Raises:
        ValueError: for negative rates.

    >>> SiteCollapse([1.0, 0.5]).features().round(3).tolist()
    [[1.0, -1.0, 1.0, -1.0], [0.707, 0.707, -0.707, -0.707]]
    """

    rates: Array

    def __init__(self, rates: ArrayLike, basis: Basis | None = None) -> None:
        check_rates("rates", rates, "(sites,)")
        self.rates = as_real(rates)
        self.basis = Given() if basis is None else basis

    @property
    def noises(self) -> int:
        return self.rates.shape[0]

    @property
    def dim(self) -> int:
        return 2**self.noises

    @property
    def _lower(self) -> int:
        """Sites of the lower half of a state's index."""
        return self.noises // 2

    def sample_field(self, normals: jax.Array) -> jax.Array:
        return self._spread(column(root(self.rates), normals) * normals)

    def apply_kernel(self, weights: jax.Array) -> jax.Array:
        spins = self._spins(weights)
        return self._spread(column(self.rates, spins) * spins)

    @property
    def has_records(self) -> bool:
        return True

    def averages(self, weights: jax.Array) -> jax.Array:
        spins = self._spins(weights)
        return column(root(self.rates), spins) * spins

    def _spread(self, values: jax.Array) -> jax.Array:
        """Σ_j s_j(i) v_j, (dim, *columns), of values (sites, *columns)."""
        lower = multiply(_signs(self._lower, values).T, values[: self._lower])
        upper = multiply(_signs(self.noises - self._lower, values).T, values[self._lower :])
        return (upper[:, None] + lower[None]).reshape(self.dim, *values.shape[1:])

    def _spins(self, weights: jax.Array) -> jax.Array:
        """Σ_i s_j(i) w_i, (sites, *columns)."""
        halves = weights.reshape(-1, 2**self._lower, *weights.shape[1:])
        lower = multiply(_signs(self._lower, weights), jnp.sum(halves, axis=0))
        upper = multiply(_signs(self.noises - self._lower, weights), jnp.sum(halves, axis=1))
        return jnp.concatenate([lower, upper])

    def diagonal(self) -> jax.Array:
        return jnp.full(self.dim, jnp.sum(jnp.asarray(self.rates)))

    def kernel(self) -> jax.Array:
        signs = _sign_matrix(self.noises)
        return multiply(signs.T, jnp.asarray(self.rates)[:, None] * signs)

    def features(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.rates))[:, None] * _sign_matrix(self.noises)

    def jumps(self) -> "Jumps":
        from stochq.channels.jumps import DiagonalJumps

        return DiagonalJumps(column(square_root(self.rates), self.rates[:, None]) * _sign_matrix(self.noises))


def _sign_matrix(sites: int) -> np.ndarray:
    """sigma_z of every site over the states, (sites, 2^sites)."""
    return 1.0 - 2.0 * ((np.arange(2**sites)[None, :] >> np.arange(sites)[:, None]) & 1)


def _signs(sites: int, like: jax.Array) -> jax.Array:
    return jnp.asarray(_sign_matrix(sites), like.dtype)


def at_site(matrix: ArrayLike, site: int, sites: int) -> Features | BandedOperators:
    r"""One jump operator that acts on one spin of many, $1\otimes\cdots\otimes L_j\otimes\cdots\otimes 1$.

    Held as its diagonals, of which there are three at most.

    Args:
        matrix: L (2, 2) with √rate inside, the first state spin up.
        site: where, from 0; it is bit `site` of a state's index.
        sites: number of spins.

    Raises:
        ValueError: for another shape, entries that are not finite, or a site that is not there.

    >>> decay = at_site([[0.0, 0.0], [0.5, 0.0]], site=1, sites=2)
    >>> decay.offsets, decay.bands.tolist()
    ((-2,), [[[0.0, 0.0, 0.5, 0.5]]])
    """
    sites = check_count("sites", sites, 1, most=_MOST_SPINS)
    site = check_count("site", site, 0, most=sites - 1)
    local = as_matrix(matrix, "matrix")
    if local.shape != (2, 2) or not np.all(np.isfinite(local)):
        raise ValueError(f"matrix: expected a finite matrix (2, 2) of one spin; got shape {local.shape}: {matrix!r}.")
    down = (np.arange(2**sites) >> site) & 1
    diagonal, other = np.diag(local)[down], np.array([local[0, 1], local[1, 0]])[down]
    if not np.any(other):
        if not np.iscomplexobj(local):
            return Features(diagonal[None])
        return BandedOperators((0,), diagonal[None, None])
    bands = {0: diagonal, 1 << site: np.where(down == 0, other, 0), -(1 << site): np.where(down == 1, other, 0)}
    used = {offset: band for offset, band in bands.items() if np.any(band)}
    return BandedOperators(tuple(used), np.stack(list(used.values()))[None])
