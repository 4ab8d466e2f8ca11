"""Operators that depend on time, as QuTiP writes them: sums of constant ones, sampled by QuTiP's own coefficients."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qutip import Coefficient, Qobj, QobjEvo

# A function that returns the operator itself is written as a sum of at most so many operators, told by so many samples
# to this fraction of its size.
_MOST_TERMS, _SAMPLES, _RTOL = 16, 65, 1e-10


@dataclass(frozen=True)
class Sum:
    r"""An operator $A(t) = \sum_j f_j(t)A_j$.

    operators: (A_j, ...). factors: of a time, the values (J,) complex of all f_j. knots: times at which they may be
    less than smooth. constant: (J,), which of them are 1 at all times.
    """

    operators: list[Qobj]
    factors: Callable[[float], np.ndarray]
    knots: np.ndarray
    constant: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """The values of all factors at several times, (J, T)."""
        return np.array([self.factors(float(t)) for t in times]).T


def as_sum(name: str, operator: QobjEvo, start: float, stop: float) -> Sum:
    """An operator that depends on time as a sum.

    Args:
        name: of the argument, for messages.
        operator: A(t).
        start, stop: between which it has to be known.

    Raises:
        ValueError: for samples that do not reach so far, feedback, coefficients that raise or are not finite, and
            functions that return too many operators.
    """
    feedback = {**operator._feedback_functions, **operator._solver_only_feedback}
    if feedback:
        raise ValueError(
            f"{name}: expected coefficients of the time alone; got feedback in args, {', '.join(map(repr, feedback))}. "
            "sq.simulate(..., feedback=sq.feedback.Loop(...)) drives every trajectory by its own record."
        )
    entries = operator.to_list()
    if any(isinstance(entry, list) and not isinstance(entry[0], Qobj) for entry in entries):
        return _of_function(name, operator, start, stop)
    operators, coefficients = [], []
    for entry in entries:
        matrix, coefficient = entry if isinstance(entry, list) else (entry, None)
        operators.append(matrix)
        coefficients.append(coefficient)
    sampled = [one for coefficient in coefficients for one in _samples_in(coefficient)]
    for times in sampled:
        _check_reach(name, times, start, stop)

    constant = np.array([one is None for one in coefficients])

    def factors(t: float) -> np.ndarray:
        return _called(name, t, lambda: np.array([1.0 if one is None else one(t) for one in coefficients], complex))

    return Sum(operators, factors, np.unique(np.concatenate([[start, stop], *sampled])), constant)


def _samples_in(coefficient: Any) -> Iterator[np.ndarray]:
    """The times of the samples of which a coefficient is made, one array for each of its parts that has some."""
    if not isinstance(coefficient, Coefficient):
        return
    reduced = coefficient.__reduce__()
    if type(coefficient).__name__ == "InterCoefficient":
        yield np.asarray(reduced[1][0], float)
        return
    state = reduced[2] if len(reduced) > 2 else ()
    for part in state if isinstance(state, tuple) else ():
        yield from _samples_in(part)


def _check_reach(name: str, times: np.ndarray, start: float, stop: float) -> None:
    slack = 1e-9 * max(stop - start, 1e-300)
    if start < times[0] - slack or stop > times[-1] + slack:
        raise ValueError(
            f"{name}: expected samples from t = {start:g} to {stop:g}, the times of tlist; those of a coefficient "
            f"reach from {times[0]:g} to {times[-1]:g}. QuTiP would hold the outermost ones; give more, or fewer "
            "times."
        )


def _called(name: str, t: float, function: Callable[[], np.ndarray]) -> np.ndarray:
    """What a user's functions return at a time; ValueError where they raise or return no finite numbers."""
    try:
        values = function()
    except Exception as error:
        raise ValueError(
            f"{name}: expected coefficients that are numbers at all times of tlist; at t = {t:g} one raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if not np.all(np.isfinite(values)):
        raise ValueError(f"{name}: expected finite numbers at all times of tlist; got others at t = {t:g}.")
    return values


def _of_function(name: str, operator: QobjEvo, start: float, stop: float) -> Sum:
    """A function that returns the operator itself: the few operators that span what it returns."""

    def flat(t: float) -> np.ndarray:
        return _called(name, t, lambda: operator(t).full().ravel())

    samples = np.array([flat(float(t)) for t in np.linspace(start, stop, _SAMPLES)])
    _, sizes, rows = np.linalg.svd(samples, full_matrices=False)
    rows = rows[sizes > _RTOL * max(sizes[0], 1e-300)]
    between = flat(float(start + 0.37913 * (stop - start)))
    rest = between - rows.T @ (rows.conj() @ between)
    if len(rows) > _MOST_TERMS or np.abs(rest).max() > 1e3 * _RTOL * max(sizes[0], 1e-300):
        raise ValueError(
            f"{name}: expected a function of the time that is a sum of at most {_MOST_TERMS} operators with factors; "
            "got one that returns more. Write it as a list, [H0, [H1, f1], ...]."
        )
    side = operator.shape[0]
    matrices = [Qobj(row.reshape(side, side), dims=operator.dims) for row in rows]
    return Sum(matrices, lambda t: rows.conj() @ flat(t), np.array([start, stop]), np.zeros(len(rows), bool))
