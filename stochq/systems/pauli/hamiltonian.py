"""Hamiltonians of spins 1/2 that are never matrices."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax

from stochq.accelerators import host_memory
from stochq.arrays import Array, Number, as_complex, as_matrix
from stochq.systems.eigen import eigh
from stochq.systems.hamiltonian import Hamiltonian, Propagator, State
from stochq.systems.pauli.bounds import bounds_of
from stochq.systems.pauli.lattices import Lattice
from stochq.systems.pauli.observables import SpinObservables, conserved_of
from stochq.systems.pauli.sums import LARGEST_MATRIX, PauliSum
from stochq.systems.propagation import Splitting, propagator_of, splitting_of, with_chosen_way, with_measured_errors
from stochq.systems.propagation.windows import Planes, planes_of

# States in memory while a Hamiltonian is made: its diagonal and three of Lanczos' vectors with what adds up.
_STATES = 6


@final
class SpinHamiltonian(Hamiltonian):
    """A Hamiltonian that is a sum of Pauli strings; made by `spins`.

    terms: the sum. splitting: its parts whose exponentials are known. bounds: a lower and an upper one on all energies.
    lattice: which sites are neighbours, where that is known.
    """

    terms: PauliSum
    splitting: Splitting
    bounds: tuple[Number, Number]
    lattice: Lattice | None = eqx.field(static=True, default=None)

    def __init__(self, terms: PauliSum, lattice: Lattice | None = None) -> None:
        check_fits(terms.sites)
        self.terms, self.lattice = terms, lattice
        pairs = zip(terms.coefficients, terms.strings, strict=True)
        self.splitting = splitting_of(terms.sites, [(coefficient, dict(string)) for coefficient, string in pairs])
        self.bounds = bounds_of(terms, self.splitting)

    @property
    def sites(self) -> int:
        """Number of spins."""
        return self.terms.sites

    @property
    def dim(self) -> int:
        return self.terms.dim

    @property
    def is_matrix_free(self) -> bool:
        return True

    def __repr__(self) -> str:
        try:
            low, high = float(self.bounds[0]), float(self.bounds[1])
        except (TypeError, AttributeError, jax.errors.ConcretizationTypeError):
            # A tree whose numbers a transformation has taken out.
            return super().__repr__()
        strings = len(self.terms.strings)
        return f"SpinHamiltonian: {self.sites} spins, {strings} Pauli strings, energies from {low:.6g} to {high:.6g}"

    @property
    def spins(self) -> int:
        return self.sites

    @property
    def spectrum(self) -> tuple[Number, Number]:
        return self.bounds

    @property
    def bandwidth(self) -> Number:
        return self.spectrum[1] - self.spectrum[0]

    @property
    def energies(self) -> Array:
        """Eigenvalues (dim,), ascending, of up to 12 sites; computed on each request."""
        return eigh(self._small("energies"))[0]

    @property
    def eigenvectors(self) -> Array:
        """Eigenvectors (dim, dim) of up to 12 sites; computed on each request."""
        return eigh(self._small("eigenvectors"))[1]

    def matrix(self, t: Number = 0.0) -> Array:
        return as_complex(self._small("the matrix"))

    def _small(self, what: str) -> Array:
        if self.sites > LARGEST_MATRIX:
            raise ValueError(
                f"hamiltonian: expected at most {LARGEST_MATRIX} sites for {what}; got {self.sites}, where nothing of "
                "the size of a matrix is made. Use sq.canonical, sq.microcanonical and models that take their result."
            )
        return as_matrix(self.terms.matrix())

    def apply(self, t: Number, psi: State) -> jax.Array:
        return jax.lax.complex(*self.splitting.apply(planes_of(psi)))

    def added_to(self, total: Planes, factor: Number, shift: Number, planes: Planes) -> Planes:
        return self.splitting.added_to(total, factor, shift, planes)

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        """The cheapest way to exp(-i H dt / ħ), within 1e-6 of the state in single precision, 1e-12 in double."""
        return propagator_of(self.splitting, self.spectrum, dt, hbar)

    def for_steps(self, dt: float) -> "SpinHamiltonian":
        return eqx.tree_at(lambda one: one.splitting, self, with_chosen_way(self.splitting, self.spectrum, dt))

    def centred(self) -> "SpinHamiltonian":
        """The same, with the errors of product formulas measured: a run may choose them."""
        return eqx.tree_at(lambda one: one.splitting, self, with_measured_errors(self.splitting))

    @property
    def operators(self) -> Mapping[str, Any]:
        """Sums of Pauli strings by name, and the variance of the energy."""
        return SpinObservables(self.terms, self.lattice)

    @property
    def conserved(self) -> Mapping[str, Any]:
        return conserved_of(self.terms)


def check_fits(sites: int) -> None:
    """ValueError for so many spins that a few states of them have no memory on this machine."""
    limit, needed = host_memory(), _STATES * 8 * 2**sites
    if limit is not None and needed > limit:
        most = (limit // (8 * _STATES)).bit_length() - 1
        raise ValueError(
            f"sites: expected states that fit in memory; one of {sites} sites takes {8 * 2**sites:.3g} bytes and the "
            f"{_STATES} that are made at least {needed:.3g} of {limit:.3g}. Take at most {most} sites."
        )


def spins(sites: int, terms: object) -> SpinHamiltonian:
    """Spins 1/2 with any Hamiltonian of Pauli strings, never a matrix.

    $$H = \\sum_k c_k P_k$$

    Args:
        sites: number of spins; dim = 2^sites. Bit j of a basis state's index is 0 for spin up at site j.
        terms: {"Z0 Z1": -1.0, "X3": 0.9}, or text such as "-1.0 Z0 Z1 + 0.9 X3"; "" is the identity.

    Returns:
        A Hamiltonian whose `operators` are sums of Pauli strings as well.

    Raises:
        ValueError: for strings that are none, sites that are not there, coefficients that are not real, and states that
            do not fit in memory.

    >>> pair = spins(2, "1.0 Z0 Z1 + 0.5 X0 + 0.5 X1")
    >>> pair.energies.round(3).tolist()
    [-1.414, -1.0, 1.0, 1.414]
    """
    return SpinHamiltonian(PauliSum(sites, terms))
