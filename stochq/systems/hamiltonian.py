"""Hamiltonians: how a state evolves without noise."""

import abc
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from stochq.arrays import Array, ArrayLike, Number, as_complex, as_matrix, as_real, is_concrete
from stochq.module import Module
from stochq.qutip_objects import as_operators, changing_operator
from stochq.systems.checks import check_diagonal, check_hermitian
from stochq.systems.eigen import dagger, eigh, exponential
from stochq.systems.influences import Influence
from stochq.systems.linear import apply_matrix, phases, scale
from stochq.systems.margins import Margin
from stochq.systems.observables import Catalogue, LazyMapping
from stochq.systems.time_functions import TimeFunction

if TYPE_CHECKING:
    from qutip import Qobj, QobjEvo

State = Num[Array, "dim *columns"]
Planes = tuple[jax.Array, jax.Array]
Matrix = Num[Array, "dim dim"]


class Propagator(Module):
    """One time step without noise, prepared once: callable (t, psi) -> psi at t + dt."""

    @abc.abstractmethod
    def __call__(self, t: Number, psi: State) -> State:
        """The state (dim,) one step after time t."""


class PhasePropagator(Propagator):
    """Multiplication by the phases exp(-i E dt) (dim,)."""

    factors: Array

    def __call__(self, t: Number, psi: State) -> State:
        return scale(self.factors, psi)


class MatrixPropagator(Propagator):
    """Multiplication by the unitary exp(-i H dt) (dim, dim)."""

    unitary: Array

    def __call__(self, t: Number, psi: State) -> State:
        return apply_matrix(self.unitary, psi)


class Hamiltonian(Module):
    """A Hamiltonian acting on states (dim,), in energy units; hbar enters where time does, as dt / hbar."""

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """Number of basis states."""

    @property
    @abc.abstractmethod
    def energies(self) -> Array:
        """Eigenvalues (dim,), ascending."""

    @property
    @abc.abstractmethod
    def eigenvectors(self) -> Array | None:
        """Eigenvectors (dim, dim), one per column, in the order of `energies`; None when the given basis is one."""

    @property
    def order(self) -> Array:
        """Index (dim,) of the basis state that belongs to each energy, where the given basis is an eigenbasis."""
        return np.arange(self.dim)

    @property
    def bandwidth(self) -> Number:
        """Upper bound on the difference of two energies at any time; infinite where a drive sets no bound."""
        return self.energies[-1] - self.energies[0]

    @property
    def is_matrix_free(self) -> bool:
        """Whether eigenvectors and the matrix are out of reach, so that only `apply` and propagators are used."""
        return False

    @property
    def spectrum(self) -> tuple[Number, Number]:
        """A lower and an upper bound on all energies."""
        return self.energies[0], self.energies[-1]

    @property
    def time_dependent(self) -> bool:
        """Whether H(t) depends on time, so that a step depends on when it is made."""
        return False

    @property
    def spins(self) -> int | None:
        """The number of spins 1/2 whose products of sigma_z states are the given basis; None of other systems."""
        return None

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of its parts, in the order of `numpy.kron`, as objects of QuTiP know them; else (dim,)."""
        return (self.dim,)

    @property
    def time_functions(self) -> Mapping[str, TimeFunction]:
        """The functions of the time in it, by their names for messages."""
        return {}

    @property
    def values_of_hbar(self) -> tuple[Number, ...]:
        """ħ of the oscillators and particles in it, by which their states and operators are made."""
        return ()

    @property
    def margins(self) -> Mapping[str, Margin]:
        """Where the basis ends, by name; nothing where it leaves nothing out."""
        return {}

    @property
    def influences(self) -> tuple[Influence, ...]:
        """How much the coefficients in it do per time, as energies; none where that is not known."""
        return ()

    @property
    @abc.abstractmethod
    def operators(self) -> Mapping[str, Any]:
        """Named observables: a diagonal (dim,), a matrix (dim, dim) or a callable psi -> float each."""

    @property
    def conserved(self) -> Mapping[str, Any]:
        """Named observables that commute with H, besides the energy, though not always with each other."""
        return LazyMapping({})

    def with_eigenvectors(self, vectors: ArrayLike) -> "Hamiltonian":
        """The same Hamiltonian with other eigenvectors in its degenerate levels: columns (dim, dim) as `energies`."""
        return Dense(self.matrix(), None, (self.energies, as_matrix(vectors)))

    @abc.abstractmethod
    def matrix(self, t: Number = 0.0) -> Array:
        """H(t) as a dense complex matrix (dim, dim)."""

    @abc.abstractmethod
    def apply(self, t: Number, psi: State) -> State:
        """H(t) psi."""

    def added_to(self, total: Planes, factor: Number, shift: Number, planes: Planes) -> Planes:
        """total + factor (H - shift)ψ of states held as their real and their imaginary part; H must not vary."""
        applied = self.apply(0.0, jax.lax.complex(*planes))
        real = total[0] + factor * (applied.real.astype(total[0].dtype) - shift * planes[0])
        return real, total[1] + factor * (applied.imag.astype(total[1].dtype) - shift * planes[1])

    @abc.abstractmethod
    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        """The step exp(-i H dt / hbar), prepared once outside the time loop."""

    def for_steps(self, dt: float) -> "Hamiltonian":
        """The same, with what is known beforehand of steps exp(-i H dt) about as long as dt."""
        return self

    @property
    def centre(self) -> Number:
        """The energy that `centred` takes out."""
        return 0.0

    def centred(self) -> "Hamiltonian":
        """This Hamiltonian less a constant, for states that evolve in single precision.

        The constant is the median energy, or the lowest one where a cut-off spectrum is occupied near its lower end.
        A constant energy multiplies all states by one phase, which no observable sees, but takes digits from the gaps.
        Energies, `matrix` and observables are to be taken from the Hamiltonian itself.
        """
        return self

    def to_qutip(self, t: float | None = None) -> "Qobj | QobjEvo":
        """H as a `qutip.Qobj`, with its dims; without a time one that depends on it as a `qutip.QobjEvo`."""
        if t is None and self.time_dependent:
            return changing_operator(lambda t: np.asarray(self.matrix(t)), self.dims)
        with jax.enable_x64(True):
            return as_operators(np.asarray(self.matrix(t or 0.0)), self.dims)

    def propagate(self, t: Number, dt: Number, psi: State, hbar: Number = 1.0) -> State:
        """The state exp(-i H dt / hbar) psi at time t + dt."""
        return self.propagator(dt, hbar)(t, psi)

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        """H(t) rho - rho H(t)."""
        columns = jax.vmap(self.apply, in_axes=(None, 1), out_axes=1)
        return columns(t, rho) - dagger(columns(t, dagger(rho)))


class DiagonalHamiltonian(Hamiltonian):
    """A Hamiltonian whose eigenbasis is the given basis; subclasses say where the diagonal is kept."""

    @property
    @abc.abstractmethod
    def diagonal(self) -> Array:
        """Energy (dim,) of each basis state."""

    @property
    def dim(self) -> int:
        return self.diagonal.shape[0]

    @property
    def energies(self) -> Array:
        return np.sort(self.diagonal) if is_concrete(self.diagonal) else jnp.sort(self.diagonal)

    @property
    def eigenvectors(self) -> None:
        return None

    @property
    def order(self) -> Array:
        if is_concrete(self.diagonal):
            return np.argsort(self.diagonal, kind="stable")
        return jnp.argsort(self.diagonal, stable=True)

    @property
    def bandwidth(self) -> Number:
        return self.diagonal.max() - self.diagonal.min()

    def matrix(self, t: Number = 0.0) -> Array:
        return as_complex(np.diag(self.diagonal) if is_concrete(self.diagonal) else jnp.diag(self.diagonal))

    def apply(self, t: Number, psi: State) -> State:
        return scale(self.diagonal, psi)

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        return PhasePropagator(phases(self.diagonal, dt / hbar))

    @property
    def centre(self) -> Number:
        return median(self.diagonal)

    def centred(self) -> "Diagonal":
        return Diagonal(self.diagonal - self.centre)

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        diagonal = jnp.asarray(self.diagonal)
        return (diagonal[:, None] - diagonal[None, :]) * rho


class Diagonal(DiagonalHamiltonian):
    """H = diag(E), the energies (dim,) in any order.

    Raises:
        ValueError: if the diagonal is not one-dimensional, real and finite.

    >>> Diagonal([2.0, 0.0]).energies.tolist()
    [0.0, 2.0]
    """

    elements: Array
    catalogue: Catalogue | None = eqx.field(static=True)

    def __init__(self, diagonal: ArrayLike, catalogue: Catalogue | None = None):
        check_diagonal("diagonal", diagonal)
        self.elements = as_real(np.real(diagonal) if is_concrete(diagonal) else diagonal)
        self.catalogue = catalogue

    @property
    def diagonal(self) -> Array:
        return self.elements

    @property
    def operators(self) -> Mapping[str, Any]:
        return named(self.catalogue, lambda: self.elements)

    @property
    def dims(self) -> tuple[int, ...]:
        return dims_of(self.catalogue, self.dim)

    @property
    def margins(self) -> Mapping[str, Margin]:
        return self.catalogue.margins if self.catalogue else {}

    @property
    def spins(self) -> int | None:
        return self.catalogue.spins if self.catalogue else None

    @property
    def conserved(self) -> Mapping[str, Any]:
        return LazyMapping(self.catalogue.conserved() if self.catalogue else {})

    def with_eigenvectors(self, vectors: ArrayLike) -> "Dense":
        return Dense(self.matrix(), self.catalogue, (self.energies, as_matrix(vectors)))


class Dense(Hamiltonian):
    """H given as a Hermitian matrix (dim, dim); a real one keeps real eigenvectors, which makes products cheaper.

    `eigen`, where known, is the pair of ascending energies (dim,) and eigenvectors (dim, dim).

    Raises:
        ValueError: if the matrix is not square, finite and Hermitian.

    >>> Dense([[0.0, 1.0], [1.0, 0.0]]).energies.round(12).tolist()
    [-1.0, 1.0]
    """

    elements: Array
    values: Array
    vectors: Array
    catalogue: Catalogue | None = eqx.field(static=True)

    def __init__(self, matrix: ArrayLike, catalogue: Catalogue | None = None, eigen: tuple[Array, Array] | None = None):
        check_hermitian("matrix", matrix)
        elements = as_matrix(matrix)
        self.elements = (elements + dagger(elements)) / 2
        self.values, self.vectors = eigh(self.elements) if eigen is None else eigen
        self.catalogue = catalogue

    @property
    def dim(self) -> int:
        return self.elements.shape[0]

    @property
    def energies(self) -> Array:
        return self.values

    @property
    def eigenvectors(self) -> Array | None:
        return self.vectors

    @property
    def operators(self) -> Mapping[str, Any]:
        return named(self.catalogue, lambda: self.elements)

    @property
    def dims(self) -> tuple[int, ...]:
        return dims_of(self.catalogue, self.dim)

    @property
    def margins(self) -> Mapping[str, Margin]:
        return self.catalogue.margins if self.catalogue else {}

    @property
    def spins(self) -> int | None:
        return self.catalogue.spins if self.catalogue else None

    @property
    def conserved(self) -> Mapping[str, Any]:
        return LazyMapping(self.catalogue.conserved() if self.catalogue else {})

    def with_eigenvectors(self, vectors: ArrayLike) -> "Dense":
        return Dense(self.elements, self.catalogue, (self.values, as_matrix(vectors)))

    def matrix(self, t: Number = 0.0) -> Array:
        return as_complex(self.elements)

    def apply(self, t: Number, psi: State) -> State:
        return apply_matrix(self.elements, psi)

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        return MatrixPropagator(exponential(self.elements, self.values, self.vectors, dt / hbar))

    @property
    def centre(self) -> Number:
        return median(self.values)

    def centred(self) -> "Dense":
        return self.less(self.centre)

    def less(self, energy: Number) -> "Dense":
        """H - energy, with the same eigenvectors."""
        return Dense(self.elements - energy * np.eye(self.dim), None, (self.values - energy, self.vectors))

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        return apply_matrix(self.elements, rho) - dagger(apply_matrix(self.elements, dagger(rho)))


def median(energies: Array) -> Number:
    """The median energy: one level far from all others does not cost them their digits.

    Derivatives do not pass through it, as nothing depends on it.
    """
    return np.median(energies) if is_concrete(energies) else jax.lax.stop_gradient(jnp.median(energies))


def lowest(energies: Array) -> Number:
    """The lowest energy; derivatives do not pass through it either."""
    return energies.min() if is_concrete(energies) else jax.lax.stop_gradient(energies.min())


def dims_of(catalogue: Catalogue | None, dim: int) -> tuple[int, ...]:
    """The dimensions of the parts that a catalogue knows; else (dim,)."""
    return (catalogue.dims if catalogue else ()) or (dim,)


def named(catalogue: Catalogue | None, energy: Callable[[], Array]) -> LazyMapping:
    """Observables of the catalogue, with the energy last."""
    makers = {} if catalogue is None else catalogue.operators()
    return LazyMapping({**makers, "energy": energy})
