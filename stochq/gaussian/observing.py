"""Functions of a point in phase space, by name."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import ArrayLike
from stochq.functions import user_function
from stochq.module import Module
from stochq.systems.linear import level_sum, multiply

# A linear form (2n,), a quadratic form (2n, 2n), or a function of a point.
Observable = ArrayLike | Callable[[jax.Array], jax.Array]


@final
class Coordinates(Module):
    """Values of linear forms (n1, 2n), of quadratic forms (n2, 2n, 2n) and of callables at points (2n, paths)."""

    linear: np.ndarray | jax.Array | None
    quadratic: np.ndarray | jax.Array | None
    callables: tuple[Callable, ...]
    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        parts = []
        if self.linear is not None:
            parts.append(multiply(self.linear, x))
        if self.quadratic is not None:
            parts.extend(level_sum(x * multiply(form, x)) for form in self.quadratic)
        parts.extend(jax.vmap(lambda point, f=f: jnp.reshape(f(point), (1,)), -1, -1)(x) for f in self.callables)
        return jnp.concatenate(parts)


def moments(modes: int) -> dict[str, np.ndarray]:
    """First moments q, p and second ones about the origin, qq, qp, pp; numbered for several modes, squares only.

    >>> list(moments(1)), list(moments(2))[:3]
    (['q', 'p', 'qq', 'qp', 'pp'], ['q1', 'q2', 'p1'])
    """
    unit = np.eye(2 * modes)
    if modes == 1:
        qp = np.array([[0.0, 0.5], [0.5, 0.0]])
        return {"q": unit[0], "p": unit[1], "qq": np.diag(unit[0]), "qp": qp, "pp": np.diag(unit[1])}
    names = [f"{letter}{mode + 1}" for letter in "qp" for mode in range(modes)]
    squares = {f"{name}{name}": np.diag(row) for name, row in zip(names, unit, strict=True)}
    return dict(zip(names, unit, strict=True)) | squares


def coordinates(observables: Mapping[str, Observable] | None, modes: int) -> Coordinates:
    """{name: (2n,) linear | (2n, 2n) quadratic | callable(x) -> float}; None: `moments`.

    Raises:
        ValueError: for shapes that do not match the number of modes.
    """
    given = moments(modes) if observables is None else observables
    if not given:
        raise ValueError("observables: expected at least one {name: form}; got none.")
    kinds: dict[str, dict[str, Any]] = {"linear": {}, "quadratic": {}, "callable": {}}
    for name, value in given.items():
        if callable(value):
            kinds["callable"][name] = user_function(value)
            continue
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((2 * modes,), (2 * modes, 2 * modes)) or not np.all(np.isfinite(array)):
            raise ValueError(
                f"observables[{name!r}]: expected a finite vector ({2 * modes},), a matrix ({2 * modes}, {2 * modes}) "
                f"or a callable of a point (2n,), n = {modes} modes; got shape {array.shape}."
            )
        kinds["linear" if array.ndim == 1 else "quadratic"][name] = array
    names = tuple(name for kind in kinds.values() for name in kind)
    linear, quadratic = (np.stack(list(kinds[k].values())) if kinds[k] else None for k in ("linear", "quadratic"))
    return Coordinates(linear, quadratic, tuple(kinds["callable"].values()), names)
