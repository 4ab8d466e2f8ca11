r"""Sums of Pauli strings, applied to states without a matrix.

$$A = \sum_k c_k P_k = \sum_m X_m D_m, \qquad (D_m\psi)_s = \sum_{k:\,m_k=m} c_k\,i^{y_k}(-1)^{|s\wedge z_k|}\,\psi_s$$

Strings that flip the same sites are one diagonal and one flip: the work is O(strings · dim), and no array is larger
than a state. Bit j of an index is site j, 0 is up.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, is_concrete, stacked
from stochq.module import Module
from stochq.systems.checks import check_count
from stochq.systems.linear import column
from stochq.systems.pauli.terms import String, parse_terms, written

# A matrix is made of so many sites at most.
LARGEST_MATRIX = 12


@final
class PauliSum(Module):
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
    def terms(self) -> dict[str, Any]:
        """The coefficients by the strings as text."""
        return {written(string): c for string, c in zip(self.strings, self.coefficients, strict=True)}

    @property
    def is_diagonal(self) -> bool:
        """Whether all strings are of Z alone."""
        return all(flips(string) == 0 for string in self.strings)

    @property
    def diagonal(self) -> Array | None:
        """The diagonal (dim,) of an operator that is one; None elsewhere."""
        return diagonal_of(self.sites, self.strings, self.coefficients) if self.is_diagonal else None

    @property
    def norm_bound(self) -> Number:
        """Σ|c_k|, which no eigenvalue exceeds."""
        return (np if is_concrete(self.coefficients) else jnp).abs(self.coefficients).sum()

    @property
    def trace(self) -> Number:
        """The trace divided by the dimension: the coefficient of the identity."""
        return self.coefficients[self.strings.index(())] if () in self.strings else 0.0

    def apply(self, psi: Array) -> jax.Array:
        """A ψ for states (dim, *columns), in their precision."""
        psi = jnp.asarray(psi)
        groups: dict[int, list[int]] = {}
        for place, string in enumerate(self.strings):
            groups.setdefault(flips(string), []).append(place)
        total = None
        for mask, places in groups.items():
            strings = tuple(self.strings[place] for place in places)
            coefficients = self.coefficients[np.asarray(places)]
            part = column(self._diagonal(strings, coefficients).astype(_like(psi, strings)), psi) * psi
            part = flipped(self.sites, mask, part)
            total = part if total is None else total + part
        assert total is not None
        return total

    def _diagonal(self, strings: tuple[String, ...], coefficients: Array) -> Array:
        return diagonal_of(self.sites, strings, coefficients)

    def __call__(self, psi: Array) -> jax.Array:
        """⟨ψ|A|ψ⟩ of one normalised state (dim,)."""
        psi = jnp.asarray(psi)
        return jnp.vdot(psi, self.apply(psi)).real

    def of_density(self, rho: Array) -> jax.Array:
        """Tr Aρ of a density matrix (dim, dim)."""
        return jnp.trace(self.apply(rho)).real

    def matrix(self) -> np.ndarray:
        """The dense matrix (dim, dim) of up to 12 sites."""
        if self.sites > LARGEST_MATRIX:
            raise ValueError(
                f"sites: expected at most {LARGEST_MATRIX} for a dense matrix; got {self.sites}. Use apply, "
                "which builds none."
            )
        with jax.enable_x64(True):
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
        return eqx.tree_at(lambda one: one.coefficients, self, self.coefficients * factor)

    __rmul__ = __mul__

    def __neg__(self) -> "PauliSum":
        return self * -1.0

    def __sub__(self, other: "PauliSum") -> "PauliSum":
        return self + (-other)


def flips(string: String) -> int:
    """The sites that a string flips, as bits."""
    return sum(1 << site for site, letter in string if letter in "XY")


def diagonal_of(sites: int, strings: tuple[String, ...], coefficients: Array) -> Array:
    """Σ c_k i^{y_k} (−1)^{|s ∧ z_k|} over the basis states s, (dim,): what strings multiply by before they flip."""
    library: Any = np if is_concrete(coefficients) else jnp
    total = library.zeros(2**sites, complex if any(_count_y(one) for one in strings) else float)
    for string, coefficient in zip(strings, coefficients, strict=True):
        phase = 1j ** _count_y(string)
        factor = phase if phase.imag else phase.real
        total = total + coefficient * factor * _signs(sites, string)
    return total


def _count_y(string: String) -> int:
    return sum(letter == "Y" for _, letter in string)


def _signs(sites: int, string: String) -> np.ndarray:
    """(−1)^{number of down spins among the sites with Y or Z}, (dim,)."""
    states = np.arange(2**sites)
    parity = np.zeros(2**sites, np.int8)
    for site, letter in string:
        if letter in "YZ":
            parity ^= ((states >> site) & 1).astype(np.int8)
    return 1.0 - 2.0 * parity


def flipped(sites: int, mask: int, psi: jax.Array) -> jax.Array:
    """ψ_{s xor mask}, by reversing the axes of the sites that are flipped."""
    if not mask:
        return psi
    shape = (2,) * sites + psi.shape[1:]
    axes = [sites - 1 - site for site in range(sites) if mask >> site & 1]
    return jnp.flip(psi.reshape(shape), axes).reshape(psi.shape)


def _like(psi: jax.Array, strings: tuple[String, ...]) -> Any:
    """The number type of a diagonal in the precision of the states."""
    return psi.dtype if any(_count_y(one) for one in strings) else psi.real.dtype
