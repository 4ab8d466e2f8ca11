"""Systems made of parts: the Hamiltonian acts part by part, operators of one part stay local."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, StateLike, is_concrete
from stochq.operators import as_array, check_parts
from stochq.systems import subsystems
from stochq.systems.banded import Banded
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.embedded import (
    Diagonals,
    Embedded,
    added,
    embedded,
    local_bands,
)
from stochq.systems.hamiltonian import Hamiltonian, Matrix, Propagator, State
from stochq.systems.linear import apply_bands, taylor_exponential
from stochq.systems.margins import Margin
from stochq.systems.observables import LazyMapping
from stochq.systems.part_axis import PartAxis
from stochq.systems.subsystems import Parts


@final
class Composite(Hamiltonian):
    r"""Parts beside each other, coupled or not; made by `tensor`.

    $$H = \sum_p H_p + V,\qquad V = \sum_k c_k \bigotimes_p A^{(k)}_p$$

    Up to dim = 512 a step is exact. Above, no matrix of that size is made: the parts are propagated one by one, exactly
    where they are uncoupled, and around the coupling by exp(-iH_0 dt/2) T exp(-iH_0 dt/2) with T the Taylor series of V
    to fourth order, of weak order 2, which needs (norm of V)·dt/ħ < 1.

    parts: their Hamiltonians. whole: H as diagonals. coupling: V as diagonals, None without one. names: of the parts.
    """

    parts: tuple[Hamiltonian, ...]
    whole: Banded
    coupling: Embedded | None
    names: tuple[str, ...] = eqx.field(static=True)

    def __repr__(self) -> str:
        try:
            parts = ", ".join(f"{name} of {dim}" for name, dim in zip(self.names, self.dims, strict=True))
        except (TypeError, AttributeError):
            # A tree whose numbers a transformation has taken out.
            return super().__repr__()
        return f"Composite of {self.dim} states: {parts}; {'uncoupled' if self.coupling is None else 'coupled'}"

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions of the parts."""
        return tuple(part.dim for part in self.parts)

    @property
    def dim(self) -> int:
        return self.whole.dim

    @property
    def energies(self) -> Array:
        return self.whole.energies

    @property
    def eigenvectors(self) -> Array | None:
        return self.whole.eigenvectors

    @property
    def values_of_hbar(self) -> tuple[Number, ...]:
        return tuple(value for part in self.parts for value in part.values_of_hbar)

    @property
    def margins(self) -> Mapping[str, Margin]:
        """Those of the parts."""
        return {
            f"{key} of {name}": margin.of_part(name, self.axis(number))
            for number, (name, part) in enumerate(zip(self.names, self.parts, strict=True))
            for key, margin in part.margins.items()
        }

    @property
    def bandwidth(self) -> Number:
        """Largest difference of two energies; above dim = 512 a bound by those of the parts and of the coupling."""
        if self.whole.dense is not None:
            return self.whole.bandwidth
        widths = sum(part.bandwidth for part in self.parts)
        return widths if self.coupling is None else widths + 2 * abs(self.coupling.bands).sum(axis=0).max()

    @property
    def operators(self) -> Mapping[str, Any]:
        """Those of the parts, as "part:name", and the energy."""
        makers: dict[str, Any] = {}
        for name, part in zip(self.names, self.parts, strict=True):
            makers |= {f"{name}:{each}": partial(self._named, name, each) for each in part.operators}
        return LazyMapping(makers | {"energy": self._energy})

    def _energy(self) -> Embedded:
        return embedded(dict(zip(self.whole.offsets, self.whole.bands, strict=True)))

    def _named(self, part: str, name: str) -> Any:
        operator = self.parts[self.index("part", part)].operators[name]
        operator = operator.matrix() if hasattr(operator, "matrix") else operator
        if callable(operator):
            raise ValueError(
                f"operators: {part}:{name} is a function of the state of {part} alone; the joint state has none. Use "
                f"{part}'s linear observables."
            )
        lifted = self.embed(operator, part)
        return lifted.bands[0].real if lifted.offsets == (0,) and lifted.hermitian else lifted

    def embed(self, operator: OperatorLike, part: str | int) -> Embedded:
        """An operator of one part on the joint states: a jump operator of `sq.models.unravel`, or an observable.

        Args:
            operator: diagonal (d,) or matrix (d, d) of that part.
            part: its name, or its number from 0.

        Raises:
            ValueError: for a part that there is none of, and a shape that is not that part's.
        """
        return embedded(self.diagonals("operator", operator, self.index("part", part)))

    def product(self, *states: OperatorLike, **named: OperatorLike) -> np.ndarray:
        """The product of a state of every part, (dim,), in their order or by their names.

        Args:
            states: a ket (d,) for each part.
            named: the same by name.

        Raises:
            ValueError: for a part without a state, or one of another dimension.
        """
        kets = dict(zip(self.names, states, strict=False)) | named
        if len(states) > len(self.names) or set(kets) != set(self.names) or len(states) + len(named) != len(kets):
            raise ValueError(
                f"states: expected one for each of {', '.join(self.names)}; got {', '.join(kets) or 'none'}."
            )
        joint = np.ones(1)
        for name, dim in zip(self.names, self.dims, strict=True):
            ket = np.asarray(as_array(name, kets[name]))
            if ket.shape != (dim,):
                raise ValueError(f"{name}: expected a ket of shape ({dim},); got {ket.shape}.")
            joint = np.kron(joint, ket)
        return joint

    def reduced(self, state: StateLike, keep: str | int | Sequence[str | int]) -> jax.Array:
        r"""The density matrix of some parts, the others traced out.

        Args:
            state: ψ (dim,) or ρ (dim, dim).
            keep: names or numbers of the parts that stay, in the order of the result.

        Returns:
            ρ of these parts, (d, d) with d the product of their dimensions.

        Raises:
            ValueError: as `part`, and for a state of another dimension, or of parts in another order.
        """
        check_parts("state", state, self.dims)
        return subsystems.reduced(state, self.part(keep))

    def part(self, names: str | int | Sequence[str | int]) -> Parts:
        """Some parts, for `sq.Reduced`, `sq.Entropy`, `sq.Purity` and `sq.Distance` among the observables.

        Args:
            names: of the parts, or their numbers, in the order that their matrix is to have; not all of them.

        Raises:
            ValueError: for no part, all, one twice, or one that is not there.
        """
        chosen = [names] if isinstance(names, (str, int)) else list(names)
        axes = tuple(self.index("part", each) for each in chosen)
        if not 0 < len(axes) < len(self.names) or len(set(axes)) < len(axes):
            raise ValueError(f"part: expected some of {', '.join(self.names)}, not all, each once; got {names!r}.")
        return Parts(self.dims, axes)

    def axis(self, number: int) -> PartAxis:
        """Where a part stands among the joint states."""
        sizes = (math.prod(self.dims[:number]), self.dims[number], math.prod(self.dims[number + 1 :]))
        return PartAxis(*sizes)

    def matrix(self, t: Number = 0.0) -> Array:
        return self.whole.matrix(t)

    def apply(self, t: Number, psi: State) -> State:
        return self.whole.apply(t, psi)

    def commutator(self, t: Number, rho: Matrix) -> Matrix:
        return self.whole.commutator(t, rho)

    def with_eigenvectors(self, vectors: ArrayLike) -> "Composite":
        return eqx.tree_at(lambda one: one.whole, self, self.whole.with_eigenvectors(vectors))

    @property
    def centre(self) -> Number:
        return sum(part.centre for part in self.parts)

    def centred(self) -> "Composite":
        return assembled(tuple(part.centred() for part in self.parts), self.coupling, self.names)

    def propagator(self, dt: Number, hbar: Number = 1.0) -> Propagator:
        if self.whole.dense is not None:
            return self.whole.propagator(dt, hbar)
        share = dt if self.coupling is None else dt / 2
        steps = tuple(part.propagator(share, hbar) for part in self.parts)
        return _PartByPart(steps, self.coupling, dt / hbar, self.dims)

    def index(self, argument: str, part: object) -> int:
        """The number of a part, from its name or itself; ValueError, naming the argument, for one that is not there."""
        if isinstance(part, str) and part in self.names:
            return self.names.index(part)
        if isinstance(part, int) and not isinstance(part, bool) and 0 <= part < len(self.names):
            return part
        raise ValueError(f"{argument}: expected one of {', '.join(self.names)}, or its number from 0; got {part!r}.")

    def diagonals(self, argument: str, operator: OperatorLike, axis: int) -> Diagonals:
        """The diagonals of an operator of one part; ValueError, naming the argument, for one of another shape."""
        dim, operator = self.dims[axis], as_array(argument, operator)
        if shape_of(argument, operator) not in ((dim,), (dim, dim)):
            raise ValueError(
                f"{argument}: expected shape ({dim}, {dim}) or ({dim},) for the part {self.names[axis]}; got "
                f"{shape_of(argument, operator)}."
            )
        array = np.asarray(operator) if is_concrete(operator) else jnp.asarray(operator)
        check_finite(argument, array)
        return local_bands(array, axis, self.dims)


@final
class _PartByPart(Propagator):
    """One step of each part along its axis, half of it before and half behind the coupling where there is one."""

    steps: tuple[Propagator, ...]
    coupling: Embedded | None
    dt: Number
    dims: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, t: Number, psi: State) -> State:
        psi = self._parts(t, psi)
        if self.coupling is None:
            return psi
        offsets, bands = self.coupling.offsets, self.coupling.bands
        psi = taylor_exponential(lambda phi: apply_bands(offsets, bands, phi), self.dt, psi)
        return self._parts(t, psi)

    def _parts(self, t: Number, psi: State) -> State:
        shape = psi.shape
        split = jnp.reshape(psi, (*self.dims, -1))
        for axis, step in enumerate(self.steps):
            first = jnp.moveaxis(split, axis, 0)
            after = jnp.asarray(step(t, first.reshape(first.shape[0], -1)))
            split = jnp.moveaxis(after.reshape(first.shape), 0, axis)
        return split.reshape(shape)


def assembled(parts: tuple[Hamiltonian, ...], coupling: Embedded | None, names: tuple[str, ...]) -> Composite:
    """The system of these parts and this coupling."""
    dims = tuple(part.dim for part in parts)
    terms = [local_bands(_local_matrix(part), axis, dims) for axis, part in enumerate(parts)]
    if coupling is not None:
        terms.append(dict(zip(coupling.offsets, coupling.bands, strict=True)))
    bands = added({0: np.zeros(int(np.prod(dims)))}, *terms)
    xp = np if is_concrete(list(bands.values())) else jnp
    return Composite(parts, Banded(tuple(bands), xp.stack(list(bands.values()))), coupling, names)


def _local_matrix(part: Hamiltonian) -> Array:
    """The diagonal (d,) of a part whose levels are the given ones, else its matrix."""
    if part.eigenvectors is None and np.array_equal(part.order, np.arange(part.dim)):
        return part.energies
    matrix = part.matrix()
    return np.asarray(matrix) if is_concrete(matrix) else matrix
