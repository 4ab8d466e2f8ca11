r"""Sums of Pauli strings, applied to states without a matrix.

$$A = \sum_k c_k P_k$$

The strings of Z alone are one diagonal, those within a few neighbouring sites one small matrix, and no array is larger
than a state. Bit j of an index is site j, 0 is up.
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from stochq.arrays import Array, ComplexNumber, Number, is_concrete, stacked
from stochq.systems.checks import check_count, check_number
from stochq.systems.observables import LinearObservable
from stochq.systems.pauli.terms import String, parse_terms, written
from stochq.systems.propagation.diagonal import diagonal_of, signed_sum
from stochq.systems.propagation.strings import apply_to_planes, is_diagonal, string_matrix
from stochq.systems.propagation.windows import (
    Planes,
    apply_window,
    planes_of,
    shifted_windows,
    windows_of,
)

Places = tuple[int, ...]
# A matrix is made of so many sites at most.
LARGEST_MATRIX = 12


@final
class PauliSum(LinearObservable):
    """Σ_k c_k P_k, a Hermitian operator on spins 1/2 and its own expectation value as a function of a state.

    Args:
        sites: number of spins; states are (2^sites,).
        terms: as of `sq.systems.spins`.

    >>> bond = PauliSum(2, {"Z0 Z1": 1.0})
    >>> [float(bond(state)) for state in np.eye(4)]
    [1.0, -1.0, -1.0, 1.0]
    """

    coefficients: Array
    strings: tuple[String, ...] = eqx.field(static=True)
    sites: int = eqx.field(static=True)

    def __init__(self, sites: int, terms: object) -> None:
        self.sites = check_count("sites", sites, 1, most=30)
        parsed = parse_terms(self.sites, terms)
        self.strings = tuple(parsed)
        self.coefficients = stacked(
            [np.asarray(c, float) if is_concrete(c) else jnp.asarray(c) for c in parsed.values()]
        )

    @property
    def dim(self) -> int:
        """Number of basis states."""
        return 2**self.sites

    @property
    def terms(self) -> dict[str, ComplexNumber]:
        """The coefficients by the strings as text."""
        return {written(string): c for string, c in zip(self.strings, self.coefficients, strict=True)}

    @property
    def is_diagonal(self) -> bool:
        """Whether all strings are of Z alone."""
        return all(is_diagonal(string) for string in self.strings)

    @property
    def diagonal(self) -> Array | None:
        """The diagonal (dim,) of an operator that is one; None elsewhere."""
        return signed_sum(self.sites, self.strings, self.coefficients) if self.is_diagonal else None

    @property
    def norm_bound(self) -> Number:
        """Σ|c_k|, which no eigenvalue exceeds."""
        return (np if is_concrete(self.coefficients) else jnp).abs(self.coefficients).sum()

    @property
    def trace(self) -> Number:
        """The trace divided by the dimension: the coefficient of the identity."""
        return self.coefficients[self.strings.index(())] if () in self.strings else 0.0

    def apply(self, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        """A ψ for states (dim, *columns), in their precision."""
        psi = jnp.asarray(psi)
        if psi.shape[:1] != (self.dim,):
            raise ValueError(
                f"psi: expected states ({self.dim},) of the {self.sites} sites that this sum of Pauli strings acts on; "
                f"got shape {psi.shape}. Make the sum on as many sites as the system has."
            )
        planes = planes_of(psi)
        layout = layout_of(self.sites, self.strings)
        parts = [partial(self._diagonal_part, layout.diagonal)] if layout.diagonal else []
        parts += [partial(self._window_part, *window) for window in layout.windows]
        parts += [partial(self._wide_part, place) for place in layout.wide]
        total = parts[0](planes)
        for part in parts[1:]:
            # One after another: no more than one part is held beside the sum.
            total = jax.lax.optimization_barrier(jax.tree.map(jnp.add, total, part(planes)))
        return jax.lax.complex(*total)

    def _diagonal_part(self, places: Places, planes: Planes) -> Planes:
        # The barrier keeps XLA from working the diagonal out while it compiles.
        coefficients = jax.lax.optimization_barrier(jnp.asarray(self.coefficients[np.array(places)], planes[0].dtype))
        diagonal = diagonal_of(self.sites, [self.strings[place] for place in places], coefficients)
        return diagonal.times(planes[0]), diagonal.times(planes[1])

    def _window_part(self, first: int, count: int, places: Places, planes: Planes) -> Planes:
        matrices = np.stack([string_matrix(self.strings[place], first, count) for place in places])
        coefficients = self.coefficients[np.array(places)]
        library: Any = np if is_concrete(coefficients) else jnp
        return apply_window(library.tensordot(coefficients, matrices, 1), planes, first)

    def _wide_part(self, place: int, planes: Planes) -> Planes:
        factor = jnp.asarray(self.coefficients[place], planes[0].dtype)
        real, imag = apply_to_planes(self.strings[place], planes)
        return factor * real, factor * imag

    def __call__(self, psi: Array) -> jax.Array:
        """⟨ψ|A|ψ⟩ of one normalised state (dim,)."""
        psi = jnp.asarray(psi)
        return jnp.vdot(psi, self.apply(psi)).real

    def of_density(self, rho: Array) -> jax.Array:
        """Tr Aρ of a density matrix (dim, dim)."""
        return jnp.trace(self.apply(rho)).real

    def matrix(self) -> Array:
        """The dense matrix (dim, dim) of up to 12 sites."""
        if self.sites > LARGEST_MATRIX:
            raise ValueError(
                f"sites: expected at most {LARGEST_MATRIX} for a dense matrix; got {self.sites}. Use apply, "
                "which builds none."
            )
        if not is_concrete(self.coefficients):
            return self.apply(jnp.eye(self.dim, dtype=jnp.result_type(np.complex64, self.coefficients)))
        # Within a traced function too, as in a fit, numbers that are known are computed with.
        with jax.enable_x64(True), jax.ensure_compile_time_eval():
            return np.asarray(self.apply(jnp.eye(self.dim, dtype=complex)))

    def __add__(self, other: "PauliSum") -> "PauliSum":
        if not isinstance(other, PauliSum):
            return NotImplemented
        if other.sites != self.sites:
            raise ValueError(f"expected a sum on {self.sites} sites; got one on {other.sites}.")
        terms = dict(self.terms)
        for string, coefficient in other.terms.items():
            terms[string] = terms[string] + coefficient if string in terms else coefficient
        return PauliSum(self.sites, terms)

    def __mul__(self, factor: Number) -> "PauliSum":
        if isinstance(factor, PauliSum):
            return NotImplemented
        check_number("factor", factor)
        return eqx.tree_at(lambda one: one.coefficients, self, self.coefficients * factor)

    __rmul__ = __mul__

    def __neg__(self) -> "PauliSum":
        return self * -1.0

    def __sub__(self, other: "PauliSum") -> "PauliSum":
        return self + (-other)


class Layout(NamedTuple):
    """How strings are applied, by their places in the sum: those of Z alone, those in windows (first site, number of
    sites, places), and each of the rest by itself."""

    diagonal: Places
    windows: tuple[tuple[int, int, Places], ...]
    wide: Places


@lru_cache(maxsize=256)
def layout_of(sites: int, strings: tuple[String, ...]) -> Layout:
    """The windows are few neighbouring sites each, and those about the edges between them."""
    diagonal = tuple(place for place, string in enumerate(strings) if is_diagonal(string))
    left = [place for place in range(len(strings)) if place not in diagonal]
    windows = []
    for first, count in (*windows_of(sites), *shifted_windows(sites)):
        inside = tuple(p for p in left if all(first <= site < first + count for site, _ in strings[p]))
        left = [place for place in left if place not in inside]
        windows += [(first, count, inside)] if inside else []
    return Layout(diagonal, tuple(windows), tuple(left))
