"""Parts of systems of spins 1/2, or of composite ones: reduced density matrices, entropies, distances to a given state.

Bit j of a state's index is site j, 0 is up. What is asked of one state is a function of it that stands among the
observables of `sq.simulate`, whether the Hamiltonian is a matrix or not.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, OperatorLike, StateLike, is_concrete
from stochq.module import Module
from stochq.operators import as_array
from stochq.systems.checks import check_finite, check_hermitian, shape_of
from stochq.systems.linear import multiply, populations

# Sites of a reduced density matrix; for entropies of the smaller side.
MOST_SITES = 10
_TRACE_RTOL = 1e-4
# Squares of what is larger leave single precision.
_LARGEST_AMPLITUDE = 1e15


class Parts(NamedTuple):
    """Some parts of a composite system, made by `Composite.part`.

    dims: of all parts, the last of which changes fastest. axes: which of them these are, in the order of their matrix.
    """

    dims: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def levels(self) -> int:
        """The dimension of these parts together."""
        return math.prod(self.dims[axis] for axis in self.axes)

    @property
    def others(self) -> "Parts":
        """Those that are traced out."""
        return Parts(self.dims, tuple(axis for axis in range(len(self.dims)) if axis not in self.axes))

    def rows(self, psi: jax.Array) -> jax.Array:
        """ψ (dim,) as a matrix (inside, outside)."""
        self._check(psi)
        return psi.reshape(self.dims).transpose(self.axes + self.others.axes).reshape(self.levels, -1)

    def partial_trace(self, rho: jax.Array) -> jax.Array:
        """The density matrix of these parts of a density matrix (dim, dim)."""
        self._check(rho)
        order = self.axes + self.others.axes
        split = rho.reshape(self.dims * 2).transpose([*order, *(len(self.dims) + axis for axis in order)])
        outside = self.others.levels
        return jnp.einsum("aibi->ab", split.reshape(self.levels, outside, self.levels, outside))

    def _check(self, state: jax.Array) -> None:
        dim = math.prod(self.dims)
        if state.shape not in ((dim,), (dim, dim)):
            raise ValueError(f"state: expected shape ({dim},) or ({dim}, {dim}); got {state.shape}.")


# Sites of a system of spins 1/2, or parts of a composite one.
Part = tuple[int, ...] | Parts


def levels_of(part: Part) -> int:
    """The dimension of a part."""
    return part.levels if isinstance(part, Parts) else 2 ** len(part)


def checked_part(part: Sequence[int] | int | Parts) -> Part:
    """Sites as `checked_sites` has them; parts of a composite system as they are."""
    return part if isinstance(part, Parts) else checked_sites(part)


def checked_sites(part: Sequence[int] | int) -> tuple[int, ...]:
    """The sites of a part: at least one, none twice, none negative. A single site may stand for itself."""
    sites = np.atleast_1d(np.asarray(part))
    if sites.ndim != 1 or sites.size == 0 or not np.issubdtype(sites.dtype, np.integer):
        raise ValueError(f"part: expected at least one site, such as [0, 1]; got {part!r}.")
    chosen = tuple(int(site) for site in sites)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"part: expected every site once; got {part!r}.")
    if min(chosen) < 0:
        raise ValueError(f"part: expected sites counted from 0; got {part!r}.")
    return chosen


def sites_of(dim: int, part: tuple[int, ...]) -> int:
    """The number of sites of a system with `dim` states, of which `part` is one part and not all."""
    sites = dim.bit_length() - 1
    if dim != 2**sites:
        raise ValueError(f"part: expected a system of spins 1/2, whose states are 2, 4, 8, ...; got {dim} states.")
    if max(part) >= sites:
        raise ValueError(f"part: expected sites from 0 to {sites - 1}; got {list(part)}.")
    if len(part) == sites:
        raise ValueError(
            f"part: expected some of the {sites} sites, not all of them, which leave nothing to trace over; got "
            f"{list(part)}. sq.Density() is the whole system's density matrix."
        )
    return sites


def _checked_kind_of_state(state: StateLike) -> jax.Array:
    """A ket or a density matrix as an array of JAX; ValueError for other shapes and for what is not finite."""
    array: Any = as_array("state", state)
    shape = shape_of("state", array)
    if len(shape) not in (1, 2) or len(set(shape)) != 1 or not shape[0]:
        raise ValueError(f"state: expected a ket (dim,) or a density matrix (dim, dim); got shape {shape}.")
    check_finite("state", array)
    largest = np.max(np.abs(np.asarray(array))) if is_concrete(array) else 0.0
    if largest > _LARGEST_AMPLITUDE:
        raise ValueError(f"state: expected amplitudes of a normalised state; got {largest:.3g}.")
    return jnp.asarray(array)


def reduced(state: StateLike, part: Sequence[int] | int | Parts) -> jax.Array:
    r"""The reduced density matrix of some sites of a system of spins 1/2, or of parts of a composite one.

    $$\rho_A = \mathrm{Tr}_{\bar A}\,|\psi\rangle\langle\psi|$$

    Args:
        state: ψ (2^n,), bit j of whose index is site j, 0 is up; or a density matrix (2^n, 2^n).
        part: up to 10 of the sites, in any order: bit j of the index of ρ_A is the site part[j]; or `joint.part("a")`.

    Returns:
        ρ_A (2^k, 2^k) of k sites.

    Raises:
        ValueError: no site, all of them, one twice, one that is not there, or more than 10.

    >>> import numpy as np, stochq as sq
    >>> rho = sq.systems.reduced(np.array([0.6, 0, 0, 0.8]), [0])
    >>> np.array(rho, float).round(2).tolist()
    [[0.36, 0.0], [0.0, 0.64]]
    """
    state, chosen = _checked_kind_of_state(state), checked_part(part)
    check_size(chosen)
    if isinstance(chosen, Parts):
        if state.ndim == 2:
            return chosen.partial_trace(state)
        rows = chosen.rows(state)
        return multiply(rows, rows.conj().T)
    sites = sites_of(state.shape[0], chosen)
    if state.ndim == 2:
        ascending = _partial_trace(state, sites, chosen)
    else:
        rows = _as_matrix(state, sites, chosen)
        ascending = multiply(rows, rows.conj().T)
    order = _index_of(chosen)
    return ascending if np.array_equal(order, np.arange(order.size)) else ascending[order][:, order]


def check_size(part: Part) -> None:
    """ValueError for a matrix of too many levels."""
    if levels_of(part) > 2**MOST_SITES:
        raise ValueError(
            f"part: expected at most {MOST_SITES} sites, or {2**MOST_SITES} levels; the matrix would be "
            f"{levels_of(part)} wide."
        )


def _index_of(part: tuple[int, ...]) -> np.ndarray:
    """The index with the sites in ascending order, of every index with the sites in the order of `part`."""
    rank = np.argsort(np.argsort(part))
    index = np.arange(2 ** len(part))
    return np.sum([((index >> j) & 1) << rank[j] for j in range(len(part))], axis=0)


def _runs(sites: int, part: tuple[int, ...]) -> tuple[tuple[int, ...], list[int], list[int]]:
    """Shape of a state whose neighbouring sites inside, and outside, are one axis; the axes inside and outside."""
    inside = [site in part for site in range(sites - 1, -1, -1)]
    starts = [i for i in range(sites) if i == 0 or inside[i] != inside[i - 1]]
    shape = tuple(2 ** (stop - start) for start, stop in zip(starts, [*starts[1:], sites], strict=True))
    kept = [axis for axis, start in enumerate(starts) if inside[start]]
    return shape, kept, [axis for axis in range(len(starts)) if axis not in kept]


def _as_matrix(psi: jax.Array, sites: int, part: tuple[int, ...]) -> jax.Array:
    """ψ as a matrix (inside, outside), sites in ascending order on each side."""
    shape, kept, others = _runs(sites, part)
    return psi.reshape(shape).transpose(kept + others).reshape(2 ** len(part), -1)


def _partial_trace(rho: jax.Array, sites: int, part: tuple[int, ...]) -> jax.Array:
    shape, kept, others = _runs(sites, part)
    axes = kept + others
    split = rho.reshape(shape + shape).transpose(axes + [len(shape) + axis for axis in axes])
    dim = 2 ** len(part)
    return jnp.einsum("aibi->ab", split.reshape(dim, rho.shape[0] // dim, dim, -1))


def _smaller_side(name: str, psi: jax.Array, part: Part) -> jax.Array:
    """A state as a matrix, the smaller one of its two sides first."""
    if jnp.ndim(psi) != 1:
        raise ValueError(
            f"{name}: expected a state (dim,), whose two parts have the same spectrum; got shape {jnp.shape(psi)}."
        )
    psi = jnp.asarray(psi)
    if isinstance(part, Parts):
        smaller = min(part, part.others, key=lambda side: side.levels)
        check_size(smaller)
        return smaller.rows(psi)
    sites = sites_of(psi.shape[0], part)
    if 2 * len(part) > sites:
        part = tuple(site for site in range(sites) if site not in part)
    check_size(part)
    return _as_matrix(psi, sites, part)


def _schmidt_weights(rows: jax.Array) -> jax.Array:
    """The squares of the singular values of a matrix, descending.

    Not the eigenvalues of the product M M†: theirs is the rounding of the largest one, 1e-7 in single precision, where
    those of nearly a product are far smaller. Singular values have it, so that their squares are right down to 1e-14;
    and they take half the time.
    """
    weights = jnp.linalg.svd(rows, compute_uv=False) ** 2
    return weights / jnp.sum(weights)


@final
class Entropy(Module):
    r"""The entanglement entropy of some sites with all others, of one state of spins 1/2.

    $$S_1 = -\mathrm{Tr}\,\rho_A\ln\rho_A, \qquad S_2 = -\ln\mathrm{Tr}\,\rho_A^2,$$

    in nats. Among the observables of `sq.simulate` its mean is that over trajectories of the entropy of each, not the
    entropy of the mean state. No larger matrix is made than the state itself, which is one.

    Args:
        part: the sites, at least one and not all, or `joint.part("a")`; the smaller side has up to 10.
        order: 1, von Neumann's, or 2, Rényi's, which needs no eigenvalues.

    Raises:
        ValueError: no site, one twice, another order; when called, all sites or one that is not there.

    >>> import numpy as np, stochq as sq
    >>> bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    >>> round(float(sq.Entropy([0])(bell)), 4), round(float(sq.Entropy([1], order=2)(bell)), 4)
    (0.6931, 0.6931)
    """

    part: Part = eqx.field(static=True)
    order: int = eqx.field(static=True)

    def __init__(self, part: Sequence[int] | int | Parts, order: int = 1) -> None:
        self.part, self.order = checked_part(part), order
        if not isinstance(order, int) or order not in (1, 2):
            raise ValueError(f"order: expected 1, von Neumann's entropy, or 2, Rényi's; got {order!r}.")

    def __call__(self, psi: ArrayLike) -> jax.Array:
        """The entropy of one state (dim,), in nats."""
        rows = _smaller_side("Entropy", jnp.asarray(psi), self.part)
        if self.order == 2:
            return -jnp.log(_purity(rows))
        weights = _schmidt_weights(rows)
        small, rest = weights[1:], jnp.sum(weights[1:])
        # The largest one is 1 less the others: near a product state its logarithm would be lost.
        largest = (1 - rest) * jnp.log1p(-rest)
        positive = jnp.where(small > 0, small, 1.0)
        return -jnp.sum(positive * jnp.log(positive)) - largest


@final
class Purity(Module):
    r"""The purity Tr ρ_A² of some sites, of one state of spins 1/2: 1 where they are not entangled with the others.

    Args:
        part: the sites, at least one and not all, or `joint.part("a")`; the smaller side has up to 10.

    Raises:
        ValueError: no site or one twice; when called, all sites or one that is not there.

    >>> import numpy as np, stochq as sq
    >>> round(float(sq.Purity([0])(np.array([0.6, 0.0, 0.0, 0.8]))), 4)
    0.5392
    """

    part: Part = eqx.field(static=True)

    def __init__(self, part: Sequence[int] | int | Parts) -> None:
        self.part = checked_part(part)

    def __call__(self, psi: ArrayLike) -> jax.Array:
        """The purity of one state (dim,)."""
        return _purity(_smaller_side("Purity", jnp.asarray(psi), self.part))


def _purity(rows: jax.Array) -> jax.Array:
    return jnp.sum(populations(multiply(rows, rows.conj().T)))


@final
class Distance(Module):
    r"""How far the reduced density matrix of some sites is from a given one, for one state of spins 1/2.

    $$\tfrac12\,\mathrm{Tr}\,|\rho_A - \chi_A| \quad\text{(trace)}, \qquad
      \sqrt{\mathrm{Tr}\,(\rho_A - \chi_A)^2} \quad\text{(Hilbert and Schmidt)}.$$

    The first is the largest difference of probabilities that any measurement on these sites shows.

    Args:
        part: up to 10 of the sites, in the order of the bits of χ_A's index; or `joint.part("a")`.
        reference: χ_A, a density matrix (2^k, 2^k), such as `equilibrium.reduced(part).value`.
        norm: "trace" or "hilbert-schmidt".

    Raises:
        ValueError: a part as for `reduced`, a reference of another shape or that is no density matrix, another norm.

    >>> import numpy as np, stochq as sq
    >>> bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    >>> round(float(sq.Distance([0], np.diag([1.0, 0.0]))(bell)), 4)
    0.5
    """

    part: Part = eqx.field(static=True)
    reference: Array
    norm: str = eqx.field(static=True)

    def __init__(self, part: Sequence[int] | int | Parts, reference: OperatorLike, norm: str = "trace") -> None:
        self.part, self.norm = checked_part(part), norm
        check_size(self.part)
        if not isinstance(norm, str) or norm not in ("trace", "hilbert-schmidt"):
            raise ValueError(f"norm: expected 'trace' or 'hilbert-schmidt'; got {norm!r}.")
        self.reference = _checked_reference(reference, levels_of(self.part))

    def __call__(self, state: StateLike) -> jax.Array:
        """The distance of one state's part, ψ (dim,) or a density matrix (dim, dim)."""
        rho = reduced(state, self.part)
        difference = rho - jnp.asarray(self.reference, jnp.result_type(rho.dtype, np.complex64))
        if self.norm == "trace":
            return 0.5 * jnp.sum(jnp.abs(jnp.linalg.eigvalsh(difference, symmetrize_input=False)))
        return jnp.sqrt(jnp.sum(populations(difference)))


def _checked_reference(reference: OperatorLike, dim: int) -> Any:
    if isinstance(reference, tuple) and hasattr(reference, "stderr"):
        raise ValueError("reference: expected a density matrix; got one with its error. Write .value behind it.")
    array = as_array("reference", reference)
    if np.shape(array) != (dim, dim):
        raise ValueError(
            f"reference: expected a density matrix of shape ({dim}, {dim}) for {dim.bit_length() - 1} sites; got shape "
            f"{np.shape(array)}."
        )
    if not is_concrete(array):
        return array
    matrix = np.asarray(array)
    check_finite("reference", matrix)
    check_hermitian("reference", matrix)
    if abs(np.trace(matrix).real - 1) > _TRACE_RTOL:
        raise ValueError(f"reference: expected a density matrix, of trace 1; got trace {np.trace(matrix).real:.6g}.")
    return matrix.astype(np.complex128)
