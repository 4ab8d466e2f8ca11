"""Streaming statistics: a block of trajectories becomes a summary; summaries merge in double precision.

Memory follows the block, never the number of trajectories.
"""

import abc
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq import operators as door
from stochq.arrays import ArrayLike, Observable, as_matrix, as_real
from stochq.ensemble.moments import Moments, merged_covariances, merged_moments, merged_sums
from stochq.ensemble.observables import traces_of_products
from stochq.functions import user_function
from stochq.held import held_numbers
from stochq.module import Module, as_tree
from stochq.systems.checks import check_finite
from stochq.systems.linear import apply_matrix, populations

# Names of the statistics that every run has, and of the one of antithetic pairs.
MEAN, COVARIANCE, PAIR_SPREAD = "mean of values", "covariance of values", "spread within pairs"


class Statistic(Module):
    """A summary of the trajectories of an ensemble, for example the largest population ever. Abstract.

    Give one among the observables, `observables={"name": Largest(), ...}`; it appears as `result.statistics["name"]`.
    `needs` says what it is made from:

    "states": (time, dim, block), the default; density matrices (time, dim, dim, block) of `conditional=True`;
    "values": of the observables, (time, observables, block), diagonals first, then matrices, then functions;
    "runs": states of all runs that a scheme combines, (time, runs, dim, block);
    "differences": where trajectories run in antithetic pairs, half the differences of values within each.

    >>> import jax.numpy as jnp, numpy as np, stochq as sq
    >>> class Largest(sq.Statistic):
    ...     "The largest population of any trajectory, (time, dim)."
    ...     def block(self, data, weights):
    ...         return jnp.max(jnp.abs(data) ** 2 * weights[None, None], axis=-1)
    ...     def merge(self, total, summary):
    ...         return np.maximum(total, summary)
    >>> equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=5.0)
    >>> run = sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"p": Largest()}, trajectories=100, dt=0.1)
    >>> run.statistics["p"].round(2).tolist()
    [[0.36, 0.64], [1.0, 1.0]]
    """

    needs: ClassVar[str] = "states"
    # Whether the law of single trajectories is asked for, not averages of the density matrix alone.
    of_trajectories: ClassVar[bool] = True

    @property
    def large(self) -> bool:
        """Whether a summary is so large that a device call holds one of them only."""
        return False

    @abc.abstractmethod
    def block(self, data: jax.Array, weights: jax.Array) -> Any:
        """The summary of one block, made by JAX; weights (block,) are 1 for trajectories that count, 0 for others."""

    def on_host(self, summary: Any) -> Any:
        """A block's summary as NumPy arrays in double precision."""
        return to_host(summary)

    def merge(self, total: Any, summary: Any) -> Any:
        """The summary of both parts, NumPy arrays in double precision; their sum unless said otherwise.

        It is a new one: both parts stay as they are.
        """
        return jax.tree.map(np.add, total, summary)

    def finish(self, total: Any) -> Any:
        """What the user sees: the summary of all, unless said otherwise."""
        return total

    def as_density(self, finished: Any) -> tuple[np.ndarray, tuple[int, ...]] | None:
        """Density matrices (time, d, d) in what the user sees, and the dimensions of their parts, of which the last
        changes fastest; None where there are none."""
        return None

    def combining(self, shares: tuple[float, ...]) -> "Statistic":
        """The statistic for a scheme that combines runs with these shares; the same unless it `needs` "runs"."""
        return self


def read_by_users(statistics: Iterable[Statistic]) -> Hashable:
    """What the statistics that are not the library's read from outside, such as global variables."""
    users = [type(one) for one in statistics if not type(one).__module__.startswith("stochq.")]
    return tuple(held_numbers(each.block) for each in users)


@final
class Mean(Statistic):
    """Mean and variance of every observable at every time."""

    needs: ClassVar[str] = "values"

    def block(self, data: jax.Array, weights: jax.Array) -> Moments:
        count = jnp.sum(weights)
        mean = jnp.sum(data * weights[None, None], axis=-1) / jnp.maximum(count, 1)
        deviations = (data - mean[..., None]) * weights[None, None]
        scale = _power_of_two(jnp.max(jnp.abs(deviations), axis=-1))
        deviations = deviations / scale[..., None]
        squares = deviations * deviations
        sums = [jnp.sum(power, axis=-1) for power in (squares, squares * deviations, squares * squares)]
        return Moments(count, mean, sums[0], sums[1], sums[2], scale)

    def on_host(self, summary: Moments) -> Moments:
        seen = to_host(summary)
        sums = (seen.squares * seen.scale**2, seen.cubes * seen.scale**3, seen.fourths * seen.scale**4)
        return Moments(seen.count, seen.mean, *sums)

    def merge(self, total: Moments, summary: Moments) -> Moments:
        """The pairwise update of Chan, Golub and LeVeque, Pébay's of the third and fourth powers."""
        return merged_moments(total, summary)

    def finish(self, total: Moments) -> tuple[np.ndarray, np.ndarray]:
        """Mean and unbiased variance, each (time, observables)."""
        return total.mean, total.squares / max(total.count - 1.0, 1.0)


def _power_of_two(size: jax.Array) -> jax.Array:
    """The power of two next above a size; one where it is zero or not finite."""
    _, exponent = jnp.frexp(jnp.where(jnp.isfinite(size) & (size > 0), size, 1.0))
    return jnp.ldexp(jnp.ones_like(size), exponent)


@final
class PairSpread(Statistic):
    """What a trajectory's values vary by beyond the mean over itself and its mirror image, at every time."""

    needs: ClassVar[str] = "differences"

    def block(self, data: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.sum(weights), jnp.sum(data * data * weights[None, None], axis=-1)

    def merge(self, total: Any, summary: Any) -> Any:
        return merged_sums(total, summary)

    def finish(self, total: Any) -> np.ndarray:
        """E[(a − b)²]/4 over pairs (a, b), whose E[a − b] vanishes: (time, observables)."""
        return total[1] / max(float(total[0]), 1.0)


@final
class Covariance(Statistic):
    """Covariance of single-trajectory values between chosen (observable, time) points.

    points: (P, 2) integers (observable index, time index).
    """

    points: np.ndarray
    needs: ClassVar[str] = "values"

    def block(self, data: jax.Array, weights: jax.Array) -> Moments:
        chosen = data[self.points[:, 1], self.points[:, 0], :]
        count = jnp.sum(weights)
        mean = jnp.sum(chosen * weights[None], axis=-1) / jnp.maximum(count, 1)
        deviations = (chosen - mean[:, None]) * weights[None]
        scale = _power_of_two(jnp.max(jnp.abs(deviations), axis=-1))
        deviations = deviations / scale[:, None]
        product = jnp.matmul(deviations, deviations.T, precision=jax.lax.Precision.HIGHEST)
        return Moments(count, mean, product, scale=scale)

    def on_host(self, summary: Moments) -> Moments:
        seen = to_host(summary)
        return Moments(seen.count, seen.mean, seen.squares * np.outer(seen.scale, seen.scale))

    def merge(self, total: Moments, summary: Moments) -> Moments:
        return merged_covariances(total, summary)

    def finish(self, total: Moments) -> np.ndarray:
        """The unbiased covariance (P, P)."""
        return total.squares / max(total.count - 1.0, 1.0)


@final
class Density(Statistic):
    """The ensemble's density matrix E[ψψ†] at every time, (time, dim, dim).

    Ask for it as an observable: `observables={"rho": sq.Density(), ...}`; it appears as `result.density`.

    shares: of the runs of a scheme that combines several, set by the run itself.

    >>> Density().needs
    'runs'
    """

    shares: tuple[float, ...] = eqx.field(static=True, default=(1.0,))
    needs: ClassVar[str] = "runs"
    of_trajectories: ClassVar[bool] = False

    @property
    def large(self) -> bool:
        return True

    def combining(self, shares: tuple[float, ...]) -> "Density":
        return Density(shares)

    def block(self, data: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        parts = [share * _mean_density(data[:, run], weights) for run, share in enumerate(self.shares)]
        total = sum(parts[1:], parts[0])
        return jnp.sum(weights), total

    def merge(self, total: Any, summary: Any) -> Any:
        return merged_sums(total, summary)

    def finish(self, total: Any) -> np.ndarray:
        return total[1] / max(float(total[0]), 1.0)


def _mean_density(states: jax.Array, weights: jax.Array) -> jax.Array:
    """Σ weight ψψ†, (time, dim, dim), or Σ weight ρ of density matrices."""
    if states.ndim == 4:
        return jnp.sum(states * weights[None, None, None], axis=-1)
    return jnp.einsum("tib,tjb->tij", states * weights[None, None], states.conj(), precision=jax.lax.Precision.HIGHEST)


@final
class Histogram(Statistic):
    """Counts of an observable's single-trajectory values in bins, at every time.

    Ask for it as an observable: `observables={"p": sq.Histogram(operator, edges), ...}`; it appears as
    `result.histograms["p"] = (edges, counts)`. Values outside the edges fall into the outermost bins.

    >>> Histogram([1.0, 0.0], [0.0, 0.5, 1.0]).bins
    2
    """

    operator: Any
    edges: Any
    needs: ClassVar[str] = "states"

    def __init__(self, operator: Observable, edges: ArrayLike) -> None:
        self.operator = as_operator(operator)
        self.edges = np.asarray(as_real(edges, "edges"))
        if self.edges.ndim != 1 or self.edges.size < 2 or not np.all(np.diff(self.edges) > 0):
            raise ValueError(f"edges: expected at least two increasing bin edges; got {np.asarray(edges)!r}.")

    @property
    def bins(self) -> int:
        return self.edges.size - 1

    def value(self, psi: jax.Array) -> jax.Array:
        """The observable's value on one state, ψ (dim,) or ρ (dim, dim)."""
        return value_on(self.operator, psi)

    def block(self, data: jax.Array, weights: jax.Array) -> jax.Array:
        values = jax.vmap(jax.vmap(self.value, in_axes=-1, out_axes=-1))(data)
        bins = jnp.clip(jnp.searchsorted(jnp.asarray(self.edges), values, side="right") - 1, 0, self.bins - 1)
        return jax.vmap(lambda row: jnp.zeros(self.bins).at[row].add(weights))(bins)

    def merge(self, total: Any, summary: Any) -> Any:
        return total + summary

    def finish(self, total: Any) -> tuple[np.ndarray, np.ndarray]:
        return self.edges, np.asarray(total)


def as_operator(operator: Observable) -> Any:
    """A function of a state as what a statistic can hold, or an operator as an array."""
    if isinstance(operator, str):
        raise ValueError(f"operator: expected an array or a function; got {operator!r}. Write operators[{operator!r}].")
    array = door.as_operator("operator", operator)
    if callable(array):
        return user_function(as_tree(array))
    check_finite("operator", array)
    return as_matrix(array)


def value_on(operator: Any, psi: jax.Array) -> jax.Array:
    """The value of a function or an operator, as of `as_operator`, on one state, ψ (dim,) or ρ (dim, dim)."""
    if callable(operator):
        return jnp.reshape(operator(psi).real, ())
    if psi.ndim == 2:
        rows = operator if operator.ndim == 2 else jnp.diag(operator)
        return traces_of_products(rows[None], psi)[0]
    if operator.ndim == 1:
        return jnp.sum(operator * populations(psi))
    return jnp.sum(psi.conj() * apply_matrix(operator, psi)).real


def to_host(summary: Any) -> Any:
    """A block's summary as numpy arrays in double precision."""

    def convert(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)

    return jax.tree.map(convert, summary)
