"""Complex expectation values as two real ones: operators that are not Hermitian, and functions with complex values.

Everything between an observable and a result works on real rows, named "Re a" and "Im a" for an observable "a":
$A = \\tfrac12(A + A^\\dagger) + i\\,\\tfrac1{2i}(A - A^\\dagger)$, both parts Hermitian.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Observable, is_concrete
from stochq.functions import user_function
from stochq.module import Module, as_tree

# What stands before the name of a complex observable in those of its two real rows.
REAL, IMAGINARY = "Re ", "Im "
# A matrix that differs from its adjoint by less than this fraction of its largest element is Hermitian.
HERMITIAN_RTOL = 1e-8
# A function whose imaginary part is below this fraction of its size on so many random states is real: it may hold
# numbers of single precision.
_REAL_RTOL, _PROBES = 1e-6, 8


@final
class Part(Module):
    """The real or the imaginary part of a function of a state."""

    function: Callable[[jax.Array], Array]
    imaginary: bool = eqx.field(static=True)

    def __call__(self, psi: jax.Array) -> jax.Array:
        value = jnp.asarray(self.function(psi))
        return value.imag if self.imaginary else value.real


def real_rows(observables: Mapping[str, Observable], *shape: int) -> dict[str, Any]:
    """Observables with real values: each as it is, or in two parts where its values are complex.

    shape: of a state, (dim,), or (dim, dim) where functions are of density matrices. Traced matrices count as
    Hermitian. Raises: ValueError where a part would have the name of another observable.
    """
    rows: dict[str, Any] = {}
    for name, observable in observables.items():
        parts = _parts(observable, shape)
        for row, part in zip(row_names(name, len(parts) == 2), parts, strict=True):
            if row in rows or (row != name and row in observables):
                raise ValueError(
                    f"observables: expected names other than {row!r}, a part of {name!r}, whose values are complex. "
                    "Give one of them another name."
                )
            rows[row] = part
    return rows


def row_names(name: str, is_complex: bool) -> tuple[str, ...]:
    """The names of the real rows of an observable."""
    return (f"{REAL}{name}", f"{IMAGINARY}{name}") if is_complex else (name,)


def observable_of(row: str) -> str:
    """The name of the observable of which a row is the real or the imaginary part; that of a real one as it is.

    >>> observable_of("Im a"), observable_of("energy")
    ('a', 'energy')
    """
    return row.removeprefix(REAL).removeprefix(IMAGINARY)


def has_complex_values(function: Callable[..., Any], *shape: int) -> bool:
    """Whether a function of a state (dim,), or of a density matrix (dim, dim), returns complex numbers with imaginary
    parts.

    One with a complex type, such as `jnp.vdot(psi, H @ psi)`, is real where its imaginary part vanishes on random
    states, as a matrix is that has a complex type and is Hermitian.
    """
    state = jax.ShapeDtypeStruct(shape, jnp.result_type(np.complex64, jnp.zeros(())))
    if not jnp.iscomplexobj(jax.eval_shape(lambda psi: jnp.asarray(function(psi)), state)):
        return False
    states = _random_states(shape)
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        values = jax.vmap(lambda psi: jnp.asarray(function(psi)))(jnp.asarray(states))
    return not is_concrete(values) or bool(np.abs(values.imag).max() > _REAL_RTOL * np.abs(values).max())


def _random_states(shape: tuple[int, ...]) -> np.ndarray:
    """So many normalised states, or density matrices of them mixed with one another."""
    rng, dim = np.random.default_rng(0), shape[0]
    states = rng.normal(size=(_PROBES, dim)) + 1j * rng.normal(size=(_PROBES, dim))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    if len(shape) == 1:
        return states
    pure = states[:, :, None] * states[:, None].conj()
    return 0.5 * (pure + np.roll(pure, 1, axis=0))


def _parts(observable: Observable, shape: tuple[int, ...]) -> tuple[Observable, ...]:
    if hasattr(observable, "hermitian_parts"):
        return observable.hermitian_parts()
    if callable(observable):
        function = user_function(as_tree(observable))
        if not has_complex_values(function, *shape):
            return (function,)
        return Part(function, False), Part(function, True)
    if not is_concrete(observable):
        return (observable,)
    array = np.asarray(observable)
    if not np.iscomplexobj(array) and array.ndim != 2:
        return (observable,)
    if array.ndim not in (1, 2) or array.shape[0] != array.shape[-1] or not np.all(np.isfinite(array)):
        # Refused, by name, where the shapes are checked.
        return (observable,)
    if is_hermitian(array):
        return (observable,)
    adjoint = array.conj().T
    return (array + adjoint) / 2, (array - adjoint) / 2j


def is_hermitian(operator: np.ndarray) -> bool:
    """Whether a matrix (dim, dim) is its own adjoint, a diagonal (dim,) real, but for rounding."""
    difference = np.abs(operator - operator.conj().T).max(initial=0.0)
    return bool(difference <= HERMITIAN_RTOL * np.abs(operator).max(initial=0.0))


def in_rows(values: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Arrays by observable as real ones by row: complex arrays in two parts."""
    rows: dict[str, np.ndarray] = {}
    for name, value in values.items():
        array = np.asarray(value)
        parts = (array.real, array.imag) if np.iscomplexobj(array) else (array,)
        rows |= zip(row_names(name, len(parts) == 2), parts, strict=True)
    return rows


def by_observable(rows: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Real arrays by row as arrays by observable, complex where there are two parts. Inverse of `in_rows`."""
    return {
        name: rows[name] if name in rows else _joined(*(rows[row] for row in row_names(name, True))) for name in names
    }


def _joined(real: Array | None, imaginary: Array | None) -> Array | None:
    """real + i imaginary, infinite parts included; None where either is unknown."""
    if real is None or imaginary is None:
        return None
    if isinstance(real, jax.Array) and isinstance(imaginary, jax.Array):
        return jax.lax.complex(real, imaginary)
    joined = np.empty(np.shape(real), np.result_type(real, np.complex64))
    joined.real, joined.imag = real, imaginary
    return joined
