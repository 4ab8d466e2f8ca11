"""What is given to the library: valid arguments, nearly valid ones, and anything else."""

import decimal
import fractions
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

DIMS = (2, 3)
# Numbers at the edge of what arithmetic can do.
EDGES = (0.0, -0.0, -1.0, 1e-300, 1e300, -1e300, np.nan, np.inf, -np.inf, 1e-8, 1e16)


def generator(draw: Any) -> np.random.Generator:
    """Random numbers that hypothesis chooses by one whole number."""
    return np.random.default_rng(draw(st.integers(0, 999)))


@st.composite
def hermitian(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """A matrix (dim, dim)."""
    random, dim = generator(draw), draw(st.sampled_from(dims))
    matrix = random.normal(size=(dim, dim)) + 1j * random.normal(size=(dim, dim))
    return (matrix + matrix.conj().T) / 2


@st.composite
def matrices(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Any operator (dim, dim)."""
    random, dim = generator(draw), draw(st.sampled_from(dims))
    return random.normal(size=(dim, dim)) + 1j * random.normal(size=(dim, dim))


@st.composite
def diagonals(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Real numbers (dim,)."""
    return generator(draw).normal(size=draw(st.sampled_from(dims)))


@st.composite
def weights(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Of an equilibrium, (dim,)."""
    return generator(draw).dirichlet(np.ones(draw(st.sampled_from(dims))))


@st.composite
def kets(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Normalised, (dim,)."""
    random, dim = generator(draw), draw(st.sampled_from(dims))
    psi = random.normal(size=dim) + 1j * random.normal(size=dim)
    return psi / np.linalg.norm(psi)


@st.composite
def densities(draw: Any, dims: tuple[int, ...] = DIMS) -> np.ndarray:
    """Density matrices (dim, dim)."""
    operator = draw(matrices(dims))
    positive = operator @ operator.conj().T
    return positive / np.trace(positive).real


@st.composite
def covariances(draw: Any) -> np.ndarray:
    """Of one mode, (2, 2), above the vacuum's."""
    rows = generator(draw).normal(size=(2, 2))
    return np.eye(2) / 2 + rows @ rows.T


@st.composite
def times(draw: Any) -> np.ndarray:
    """(T,), increasing."""
    return draw(st.sampled_from((0.0, -1.0))) + np.cumsum(generator(draw).uniform(0.1, 1.0, draw(st.integers(2, 4))))


positive = st.floats(0.1, 10.0)
real = st.floats(-3.0, 3.0)
fraction = st.floats(0.0, 1.0)
flag = st.booleans()


class Something:
    """An object that is nothing in particular."""

    def __repr__(self) -> str:
        return "Something()"


# Things that are wrong nearly everywhere.
ANYTHING: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10**9, 2**63, -(2**70), 2.5, 1j, *EDGES),
    *(
        "",
        "x",
        "real",
        "nonsense",
        b"x",
        [],
        (),
        {},
        set(),
        frozenset(),
        [[]],
        [None],
        ["a"],
        {"a": 1},
        {1: 2},
        {"a": None},
    ),
    *([1.0, [2.0]], [0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]], [[1, 2], [3]], range(3), slice(1), ..., NotImplemented, int),
    *(
        decimal.Decimal("0.5"),
        fractions.Fraction(1, 2),
        np.float32(0.5),
        np.int8(3),
        np.bool_(True),
        np.datetime64("2020-01-01"),
    ),
    *(
        np.zeros(0),
        np.zeros((0, 0)),
        np.zeros((2, 2)),
        np.eye(2),
        np.eye(3),
        np.ones((2, 3)),
        np.ones((1, 2, 2)),
        np.array(1.0),
    ),
    *(
        np.array(["a", "b"]),
        np.array([None, 1]),
        np.array([object()]),
        np.array([True, False]),
        np.ma.masked_array([1.0, 2.0]),
    ),
    *(
        np.array([[1, 2], [2, 1]], np.uint8),
        np.array([1.0, 0.0], ">f8"),
        np.array([1 + 1j, 0.0]),
        np.array([2.0, np.nan]),
    ),
    *(jnp.ones(2), jnp.eye(2), jnp.array(0.5), pathlib.Path("x"), Something(), Something, object(), Exception("x")),
    *(lambda: 1.0, lambda x: x, lambda x: 0.0, lambda x: "text", lambda x: 1 / 0, lambda x, y: x, np.cos, jnp.cos),
)


def altered(draw: Any, value: Any) -> Any:
    """A value that is nearly a valid one, or anything."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(ANYTHING))
    if isinstance(value, (bool, str)) or value is None or callable(value):
        return draw(st.sampled_from(ANYTHING))
    if isinstance(value, (int, float)) and abs(value) < 2**31:
        return draw(
            st.sampled_from(
                (
                    *EDGES,
                    -value,
                    value * 1e9,
                    str(value),
                    [value],
                    np.array(value),
                    np.array([value] * 2),
                    complex(value, 1e-3),
                    None,
                    np.float32(value),
                )
            )
        )
    if isinstance(value, dict):
        return _altered_items(draw, value)
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):
        place = draw(st.integers(0, len(value) - 1))
        changed = [*value[:place], altered(draw, value[place]), *value[place + 1 :]]
        return draw(
            st.sampled_from((changed, tuple(changed), [*value, value[0]], value[:-1], value[0], [value], iter(changed)))
        )
    if isinstance(value, (np.ndarray, list, tuple)):
        return _altered_array(draw, np.asarray(value))
    return draw(st.sampled_from(ANYTHING))


def _altered_items(draw: Any, value: dict) -> Any:
    name = draw(st.sampled_from(list(value)))
    changed = {**value, name: altered(draw, value[name])}
    return draw(
        st.sampled_from(
            (
                changed,
                changed,
                changed,
                {**value, 3: value[name]},
                {"": value[name]},
                list(value.items()),
                [value[name]],
                value[name],
                {**value, "other name": None},
            )
        )
    )


def _altered_array(draw: Any, array: np.ndarray) -> Any:
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "iufc":
        return draw(st.sampled_from(ANYTHING))
    change = draw(st.integers(0, 17))
    changed = np.array(array, complex if np.iscomplexobj(array) else float)
    place = tuple(draw(st.integers(0, size - 1)) for size in array.shape)
    match change:
        case 0 | 1 | 2:
            changed[place] = draw(st.sampled_from(EDGES))
            return changed
        case 3:
            changed[place] += draw(st.sampled_from((1e-3, -1e-3, 1e-7, 1.0)))
            return changed
        case 4:
            return array[:-1]
        case 5:
            return np.concatenate([array, array[:1]])
        case 6:
            return array[None]
        case 7:
            return array[..., None]
        case 8:
            return array[0]
        case 9:
            return array * draw(st.sampled_from((0.0, -1.0, 1e-30, 1e-160, 1e30, 1e160, 1e300, 1.001, 2.0)))
        case 10:
            return array + 1j * np.ones(array.shape) * draw(st.sampled_from((1e-12, 1e-3, np.nan)))
        case 11:
            return (
                array.astype(draw(st.sampled_from((np.float16, bool, object, str, np.complex64))))
                if array.dtype != complex
                else array.astype(object)
            )
        case 12:
            return array[::-1]
        case 13:
            return array.tolist()
        case 14:
            return [*array.tolist()[:-1], None]
        case 15:
            return jnp.asarray(array)
        case 16:
            return array.T.conj() * 1j
        case _:
            return array[:0]
