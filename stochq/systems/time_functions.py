"""Functions of the time: a user's own, with stated jumps, or interpolated between samples."""

from collections.abc import Callable
from typing import Literal, final, get_args

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, Times, as_matrix, is_concrete
from stochq.function_checks import check_time_function
from stochq.functions import user_function
from stochq.module import Module
from stochq.systems.checks import check_finite, check_times, shape_of

# Points in a run at which a function is looked at for its largest value.
_LOOKED_AT = 2**14
# Times at which one is evaluated at once: the operations in it are compiled for one size.
_AT_ONCE = 2**13
Interpolation = Literal["constant", "linear", "cubic"]
ALWAYS = np.array([-np.inf, np.inf])


@final
class TimeFunction(Module):
    """A function of the time with one real or complex value, made by `time_function`, `sampled` or `piecewise`.

    function: a `UserFunction`, or a tree of numbers that can be called. edges: (E,) times at which it jumps, ascending:
    no step of a run reaches over one. span: (2,) the first and the last time at which it is known.
    """

    function: Callable[[Number], ArrayLike]
    edges: Array
    span: Array

    def __call__(self, t: Number) -> jax.Array:
        return jnp.asarray(self.function(t))

    @property
    def has_complex_values(self) -> bool:
        value = jax.eval_shape(self.function, jax.ShapeDtypeStruct((), jnp.result_type(float)))
        return jnp.issubdtype(value.dtype, jnp.complexfloating)

    @property
    def knots(self) -> np.ndarray:
        """The times of samples, between which it is smooth; none of a user's own function."""
        return np.asarray(self.function.times) if isinstance(self.function, _Polynomials) else np.zeros(0)

    def largest_square(self, name: str, times: np.ndarray) -> float:
        """The largest |f|² in a run that is saved at these times; ValueError where one is not finite.

        name: of the function, for the message.
        """
        inside = self.knots[(self.knots > times[0]) & (self.knots < times[-1])]
        points = np.unique(np.concatenate([times, inside, np.linspace(times[0], times[-1], _LOOKED_AT)]))
        squares = np.abs(values_at(jax.vmap(self), points)) ** 2
        if not np.isfinite(squares).all():
            raise ValueError(
                f"{name}: expected finite numbers from t = {times[0]:g} to {times[-1]:g}; got one that is not at "
                f"t = {points[~np.isfinite(squares)][0]:g}."
            )
        return float(squares.max())

    def edges_within(self, name: str, start: float, stop: float) -> np.ndarray:
        """The jumps between two times; ValueError where the function is not known at all times between them.

        name: of the function, for the message.
        """
        if not is_concrete((self.edges, self.span)):
            raise ValueError(
                f"{name}: expected samples at times that are known; JAX is tracing them. Make the function of the time "
                "inside what is traced, from times that are numbers."
            )
        first, last = self.span
        slack = 1e-9 * (stop - start)
        if start < first - slack or stop > last + slack:
            raise ValueError(
                f"{name}: expected samples from t = {start:g} to {stop:g}, the times of the run; those given reach "
                f"from {first:g} to {last:g}. Give more of them, or fewer times."
            )
        edges = np.asarray(self.edges)
        return edges[(edges > start) & (edges < stop)]


def values_at(function: Callable[[jax.Array], jax.Array], points: np.ndarray) -> np.ndarray:
    """The values of a function of times (n,), (n,), in double precision."""
    missing = -len(points) % _AT_ONCE
    padded = np.concatenate([points, np.full(missing, points[-1])]).reshape(-1, _AT_ONCE)
    with jax.enable_x64(True):
        return np.concatenate([np.asarray(function(jnp.asarray(row))) for row in padded])[: len(points)]


@final
class _Polynomials(Module):
    """Σ_p c_p (t − t_i)^p in the piece from t_i to t_{i+1}; coefficients (degree + 1, pieces), the highest first."""

    times: Array
    coefficients: Array

    def __call__(self, t: Number) -> jax.Array:
        times, coefficients = jnp.asarray(self.times), jnp.asarray(self.coefficients)
        pieces = coefficients.shape[1]
        piece = jnp.clip(jnp.searchsorted(times, t, side="right") - 1, 0, pieces - 1)
        passed = jnp.asarray(t, times.dtype) - times[piece]
        value = coefficients[0, piece]
        for row in coefficients[1:]:
            value = value * passed + row[piece]
        return value


def sampled(times: Times, values: ArrayLike, *, interpolation: Interpolation = "linear") -> TimeFunction:
    """A function of the time from samples, for drives, envelopes and phases.

    Args:
        times: (n,) increasing, in the order of the values. The function is known from the first to the last of them,
            and a run that goes beyond is refused.
        values: real or complex: (n,) for "linear" and "cubic", (n - 1,) for "constant".
        interpolation: "constant" holds each value from one time to the next, as a waveform generator does; steps of a
            run then end where it jumps. "linear" joins the samples by straight lines, "cubic" by a cubic spline
            (SciPy's `CubicSpline`, "not-a-knot" at the ends).

    Returns:
        A function of t. Other samples at as many times compile nothing anew, and gradients pass to the values.

    Raises:
        ValueError: for times that do not increase, values of another number, or ones that are not finite.

    >>> pulse = sampled([0.0, 1.0, 2.0], [0.0, 3.0, 1.0])
    >>> float(pulse(0.5)), float(pulse(1.5))
    (1.5, 2.0)
    >>> float(sampled([0.0, 1.0, 2.0], [3.0, 1.0], interpolation="constant")(1.0))
    1.0
    """
    times = check_times(times)
    if not isinstance(interpolation, str) or interpolation not in get_args(Interpolation):
        raise ValueError(f"interpolation: expected one of {', '.join(get_args(Interpolation))}; got {interpolation!r}.")
    pieces = len(times) - 1
    constant = interpolation == "constant"
    wanted, found = (pieces if constant else pieces + 1), shape_of("values", values)
    if found != (wanted,):
        reason = ", each held from one time to the next" if constant else ", one for each time"
        raise ValueError(f"values: expected {wanted} numbers{reason}; got shape {found}.")
    check_finite("values", values)
    coefficients = _coefficients(times, as_matrix(values), interpolation)
    edges = times[1:-1] if constant else np.zeros(0)
    return TimeFunction(_Polynomials(times, coefficients), edges, times[[0, -1]])


def _coefficients(times: np.ndarray, values: Array, interpolation: Interpolation) -> Array:
    """(degree + 1, pieces), linear in the values, which may be traced."""
    if interpolation == "constant":
        return values[None]
    rows = np if is_concrete(values) else jnp
    if interpolation == "linear":
        return rows.stack([rows.diff(values) / np.diff(times), values[:-1]])
    from scipy.interpolate import CubicSpline

    return rows.tensordot(CubicSpline(times, np.eye(len(times))).c, values, axes=1)


def piecewise_cubic(times: np.ndarray, coefficients: np.ndarray, edges: np.ndarray) -> TimeFunction:
    """A function of the time that is a polynomial of degree 3 in each piece.

    Args:
        times: (n + 1,) increasing, ends of the pieces.
        coefficients: (4, n) of powers of the time passed since a piece began, the highest first; real or complex.
        edges: (E,) times at which it jumps, increasing.

    >>> float(piecewise_cubic(np.array([0.0, 1.0]), np.array([[0.0], [1.0], [0.0], [2.0]]), np.zeros(0))(0.5))
    2.25
    """
    pieces = coefficients.shape[1]
    # Up to a power of two, so that functions of about as many pieces share a program.
    more = (1 << pieces.bit_length()) - pieces
    last = np.polyval(coefficients[:, -1], times[-1] - times[-2])
    held = np.concatenate([np.zeros((3, more), coefficients.dtype), np.full((1, more), last)])
    padded = np.concatenate([times[:-1], np.full(more, times[-1])])
    filled = np.concatenate([coefficients, held], axis=1)
    return TimeFunction(_Polynomials(padded, filled), np.asarray(edges, float), times[[0, -1]])


def piecewise(function: Callable[[Number], ArrayLike], edges: ArrayLike) -> TimeFunction:
    """A function of the time that jumps at stated times and is smooth between them.

    A step over a jump would be of first order only, whatever the scheme: steps of a run end at the edges instead.

    Args:
        function: of the time t, written with `jax.numpy`, such as lambda t: jnp.where(t < 1, 0.0, 2.0).
        edges: (E,) times at which it jumps, increasing.

    Returns:
        The same function, which knows its edges.

    Raises:
        ValueError: for edges that do not increase, or no function of t that JAX can compile.

    >>> import jax.numpy as jnp
    >>> switched = piecewise(lambda t: jnp.where(t < 1, 0.0, 2.0), [1.0])
    >>> float(switched(0.5)), float(switched(1.0))
    (0.0, 2.0)
    """
    if shape_of("edges", edges) == ():
        raise ValueError(f"edges: expected a list of times; got {edges!r}. Write [{edges!r}].")
    check_finite("edges", edges)
    found = np.asarray(edges, float)
    if found.ndim != 1 or np.any(np.diff(found) <= 0):
        raise ValueError("edges: expected increasing times, (E,). Sort them and drop repeats.")
    return TimeFunction(time_function("function", function, complex_values=True).function, found, ALWAYS)


@final
class _PhaseFactor(Module):
    phase: TimeFunction

    def __call__(self, t: Number) -> jax.Array:
        return jnp.exp(-1j * self.phase(t))


def phase_factor(phase: TimeFunction) -> TimeFunction:
    """e^{−iφ(t)} of a phase φ, with its edges and samples."""
    return TimeFunction(_PhaseFactor(phase), phase.edges, phase.span)


def time_function(name: str, coefficient: object, *, complex_values: bool = False, instead: str = "") -> TimeFunction:
    """A user's function of the time, checked: one number that JAX can compile, real unless complex ones are allowed.

    instead: what to write where complex values come but are not allowed.
    """
    if isinstance(coefficient, TimeFunction):
        function = coefficient
    else:
        if not callable(coefficient):
            raise ValueError(f"{name}: expected a function of the time t; got {coefficient!r}. Write lambda t: ... .")
        check_time_function(name, coefficient)
        function = TimeFunction(user_function(coefficient, name), np.zeros(0), ALWAYS)
    start = float(np.clip(0.0, *function.span))
    value = function(start)
    kind = "finite number" if complex_values else "finite real number"
    not_finite = is_concrete(value) and not np.all(np.isfinite(value))
    is_complex = jnp.iscomplexobj(value) and not complex_values
    if np.shape(value) != () or not_finite or is_complex:
        repair = f" {instead or 'Take jnp.real(...) of them.'}" if is_complex else ""
        raise ValueError(f"{name}: expected one {kind} at each time; got {value!r} at t = {start:g}.{repair}")
    return function
