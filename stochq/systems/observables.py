"""Named observables of a system, made when asked for."""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import jax
from jaxtyping import Num

from stochq.arrays import Array
from stochq.module import Module
from stochq.operators import as_operator
from stochq.systems.margins import Margin

# So many names of observables are listed in a message.
MOST_NAMES = 8


class LinearObservable(Module):
    """An operator that is its own expectation value as a function of a state, and needs no matrix for it.

    Its mean is known from the density matrix, as that of a matrix and of a diagonal is.
    """

    @abc.abstractmethod
    def __call__(self, psi: Num[Array, " dim"]) -> jax.Array:
        """⟨ψ|O|ψ⟩ of a state with sum |ψ|² = 1."""

    @abc.abstractmethod
    def of_density(self, rho: Num[Array, "dim dim"]) -> jax.Array:
        """Tr Oρ."""

    @abc.abstractmethod
    def matrix(self) -> Array:
        """The operator as a dense matrix (dim, dim), for small systems."""


def as_observables(observables: object, known: Mapping[str, Any], dims: tuple[int, ...]) -> dict[str, Any]:
    """Observables by name, operators of other libraries as arrays.

    Args:
        observables: {name: observable}, where an observable may be the name of one of the system's own; or a list of
            such names.
        known: the system's own.
        dims: of the system's parts.

    Raises:
        ValueError: for anything else, for a name that the system does not have, and for operators on other parts.
    """
    if isinstance(observables, str):
        raise ValueError(f"observables: expected a list of names; got {observables!r}. Write [{observables!r}].")
    if isinstance(observables, Sequence) and observables and all(isinstance(name, str) for name in observables):
        return {name: _own(f"observables: {name!r}", name, known) for name in observables}
    if not isinstance(observables, Mapping):
        raise ValueError(
            f"observables: expected a mapping {{name: operator}} or a list of names of the system's own, "
            f"{_listed(known)}; got {type(observables).__name__}."
        )
    return {name: _observable(name, value, known, dims) for name, value in observables.items()}


def _observable(name: object, value: Any, known: Mapping[str, Any], dims: tuple[int, ...]) -> Any:
    label = f"observables[{name!r}]"
    if not isinstance(name, str):
        raise ValueError(f"observables: expected names that are words; got {name!r}. Write {str(name)!r}.")
    if isinstance(value, str):
        return _own(label, value, known)
    if isinstance(value, type):
        raise ValueError(
            f"{label}: expected an operator, a function or a statistic; got the class {value.__name__}. Write "
            f"{value.__name__}(...)."
        )
    return as_operator(label, value, dims)


def _own(label: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{label}: expected an operator, or one of the system's own, {_listed(known)}.{hint}")
    return known[name]


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, list(names)[:MOST_NAMES])) + (", ..." if len(names) > MOST_NAMES else "")


class LazyMapping(Mapping[str, Any]):
    """A read-only mapping whose values are computed on first use and then kept.

    >>> squares = LazyMapping({"three": lambda: 3**2})
    >>> squares["three"], list(squares)
    (9, ['three'])
    """

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self._makers = dict(makers)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._makers:
                raise KeyError(f"no observable {name!r}; there are {', '.join(self._makers)}")
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __repr__(self) -> str:
        return f"LazyMapping({', '.join(self._makers)})"


class Catalogue(abc.ABC):
    """What the observables of a system are called and how each is made.

    Catalogues are frozen dataclasses: equal ones compare equal, so that a Hamiltonian can carry one through
    `jax.jit` as a static field.
    """

    @property
    def spins(self) -> int | None:
        """The number of spins 1/2 whose products of sigma_z states are the basis; None of other systems."""
        return None

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of the parts, in the order of `numpy.kron`; none where they are not known."""
        return ()

    @property
    def margins(self) -> Mapping[str, Margin]:
        """As of `Hamiltonian`."""
        return {}

    @abc.abstractmethod
    def operators(self) -> dict[str, Callable[[], Any]]:
        """Makers of the observables: a diagonal (dim,) or a matrix (dim, dim) each."""

    def conserved(self) -> dict[str, Callable[[], Any]]:
        """Makers of the observables that commute with the Hamiltonian, besides the energy."""
        return {}
