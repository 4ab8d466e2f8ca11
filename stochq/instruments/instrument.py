"""What an instrument is: the map of a state over one bin of a record, given what was written down in it."""

import abc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.measurement.line import WatchedParts
from stochq.module import Module


class Written(NamedTuple):
    """What was written down in T bins, of R records.

    current: (T, K, R) increments ∫dY of the diffusive columns, each of unit noise. clicks: (T, C, R) of the counters.
    which: (T,) which of the instrument's bins each is.
    """

    current: Array
    clicks: Array
    which: Array


class Observed(NamedTuple):
    """parts: of all bins, or with a leading axis (bins, ...) where the equation depends on time; lengths: (bins,);
    written: (T, ...) with unit noise; correction: (R,), what gain and offset add to the log-likelihood; most_clicks: of
    one counter in one bin."""

    parts: WatchedParts
    lengths: np.ndarray
    written: Written
    correction: Array
    most_clicks: int


class Instrument(Module):
    r"""The map of a bin, made once of the equation's parameters for each kind of bin, applied bin by bin.

    $$\tilde\rho' = \mathcal R(y)\tilde\rho,\qquad \mathrm{Tr}\,\tilde\rho'
      = \frac{p(y|\rho)}{p_W(y)}$$

    with p_W the law of Wiener noise for currents, and 1 for the number of clicks. Abstract. States are trees of arrays
    with the records on their last axis.
    """

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """Dimension of the Hilbert space."""

    @abc.abstractmethod
    def start(self, state: Array, records: int) -> Any:
        """A ket (dim,) or density matrix (dim, dim), once for each record."""

    @abc.abstractmethod
    def prepare(self, written: Written) -> Any:
        """All of the steps that does not depend on the state, a tree of arrays (T, ...)."""

    @abc.abstractmethod
    def step(self, state: Any, prepared: Any) -> tuple[Any, jax.Array]:
        """The normalised state after a bin, and the weight Tr ρ̃' (R,), for one bin of what `prepare` returned."""

    def linear(self, state: Any, prepared: Any) -> Any:
        """ρ̃', as linear in the state as the map is; for instruments whose states are density matrices as real arrays
        in which Tr(AB) is the sum of products."""
        raise NotImplementedError(f"{type(self).__name__} has states that are no density matrices.")

    @abc.abstractmethod
    def density(self, state: Any) -> jax.Array:
        """ρ (dim, dim, R)."""

    def expect(self, state: Any, operators: Array) -> jax.Array:
        """Tr(Oρ) of Hermitian operators (n, dim, dim), real, (n, R)."""
        return jnp.einsum("nij,jir->nr", operators, self.density(state)).real

    def discarded(self, state: Any) -> jax.Array:
        """The weight of what a representation of limited rank has cut off so far, (R,)."""
        return jnp.zeros_like(self.purity(state))

    def purity(self, state: Any) -> jax.Array:
        """Tr ρ² (R,)."""
        rho = self.density(state)
        return jnp.sum(jnp.square(rho.real) + jnp.square(rho.imag), axis=(0, 1))
