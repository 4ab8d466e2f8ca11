"""Observables turned into one function of one state."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, Observable, is_concrete, stacked
from stochq.functions import user_function
from stochq.module import Module, as_tree
from stochq.systems.linear import apply_matrix, inner, multiply, populations

_HERMITICITY = 1e-8


@final
class Readout(Module):
    """The values of all observables on states: diagonals (n1, dim), dense operators (n2, dim, dim), callables.

    of_densities: whether states are density matrices.

    Values come in the order diagonals, dense, callables; `names` is in that order.
    """

    diagonals: Any
    dense: Any
    callables: tuple[Callable, ...]
    names: tuple[str, ...] = eqx.field(static=True)
    of_densities: bool = eqx.field(static=True, default=False)

    def __call__(self, psi: jax.Array) -> jax.Array:
        """The values (observables, trajectories) on states (dim, trajectories) or density matrices (dim, dim,
        trajectories); callables see one state at a time."""
        parts = []
        if self.diagonals is not None:
            levels = jnp.diagonal(psi).T.real if self.of_densities else populations(psi)
            parts.append(multiply(self.diagonals, levels))
        if self.dense is not None:
            parts.append(traces_of_products(self.dense, psi) if self.of_densities else _expectations(self.dense, psi))
        names = self.names[len(self.names) - len(self.callables) :]
        parts.extend(
            jax.vmap(lambda state, f=f, name=name: _value(name, f(state)), -1, -1)(psi)
            for name, f in zip(names, self.callables, strict=True)
        )
        return jnp.concatenate(parts)

    def unnamed(self) -> "Readout":
        """The same values under numbers."""
        return dataclasses.replace(self, names=numbered(self.names))


def numbered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Numbers in the place of names."""
    return tuple(map(str, range(len(names))))


def _expectations(operators: Array, psi: jax.Array) -> jax.Array:
    """⟨O⟩ of operators (n, dim, dim), (n, trajectories)."""
    count, dim = operators.shape[:2]
    images = apply_matrix(operators.reshape(-1, dim), psi).reshape(count, *psi.shape)
    return jax.vmap(inner, in_axes=(None, 0))(psi, images)[:, 0].real


def traces_of_products(operators: Array, rho: jax.Array) -> jax.Array:
    """Tr(Oρ) of Hermitian operators (n, dim, dim) and matrices (dim, dim, *columns), real, (n, *columns)."""
    rows, flat = operators.reshape(len(operators), -1), rho.reshape(-1, *rho.shape[2:])
    return multiply(rows.real, flat.real) + multiply(rows.imag, flat.imag)


@final
class Square(Module):
    """⟨O⟩² of a density matrix; operator: (dim, dim)."""

    operator: Any

    def __call__(self, rho: jax.Array) -> jax.Array:
        return traces_of_products(self.operator[None], rho)[0] ** 2


def _value(name: str, value: Array | Number) -> jax.Array:
    if jnp.size(value) != 1:
        raise ValueError(
            f"observables[{name!r}]: expected a function of one state with one real number as its value; got an array "
            f"of shape {jnp.shape(value)}. Give one function for each of its elements."
        )
    return jnp.reshape(jnp.asarray(value).real, (1,))


def readout(observables: Mapping[str, Observable], dim: int, of_densities: bool = False) -> Readout:
    """Check and sort observables by kind: {name: (dim,) | (dim, dim) | callable(psi) -> float}.

    of_densities: whether they are read from density matrices.
    """
    if not observables:
        raise ValueError("observables: expected at least one {name: operator}; got none.")
    kinds: dict[str, dict[str, Any]] = {"diagonal": {}, "dense": {}, "callable": {}}
    for name, value in observables.items():
        if callable(value):
            kinds["callable"][name] = user_function(as_tree(value))
            continue
        given: Any = np.asarray(value) if is_concrete(value) else value
        array = _checked(name, given, dim)
        kinds["diagonal" if array.ndim == 1 else "dense"][name] = array
    names = tuple(name for kind in kinds.values() for name in kind)
    diagonals = stacked(list(kinds["diagonal"].values())) if kinds["diagonal"] else None
    dense = _stack_dense(list(kinds["dense"].values())) if kinds["dense"] else None
    return Readout(diagonals, dense, tuple(kinds["callable"].values()), names, of_densities)


def _stack_dense(matrices: list[Array]) -> Array:
    stack = stacked(matrices)
    if not is_concrete(stack):
        return stack
    return stack if np.any(np.imag(stack)) else np.ascontiguousarray(stack.real)


def _checked(name: str, array: np.ndarray, dim: int) -> np.ndarray:
    label = f"observables[{name!r}]"
    if array.shape not in ((dim,), (dim, dim)):
        raise ValueError(f"{label}: expected shape ({dim},) or ({dim}, {dim}) or a callable; got {array.shape}.")
    if not is_concrete(array):
        return array.real if array.ndim == 1 else array
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{label}: expected finite entries; got NaN or infinity.")
    scale = max(float(np.abs(array).max()), 1e-300)
    violation = np.abs(array - (array.conj().T if array.ndim == 2 else array.conj())).max() / scale
    if violation > _HERMITICITY:
        what = "Hermitian" if array.ndim == 2 else "real"
        raise ValueError(
            f"{label}: expected a {what} operator; it differs from its adjoint by {violation:.2g} of its largest "
            "entry. Split it into (A + A†)/2 and (A − A†)/2i."
        )
    return array.real if array.ndim == 1 else array


def ordered_names(observables: Mapping[str, Observable]) -> tuple[str, ...]:
    """The names in the order of a readout's values: diagonals, dense operators, callables."""
    rank = {name: 2 if callable(value) else np.ndim(cast(ArrayLike, value)) - 1 for name, value in observables.items()}
    return tuple(sorted(observables, key=rank.__getitem__))
