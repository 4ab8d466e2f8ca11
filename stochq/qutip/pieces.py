"""Functions of the time as piecewise cubic polynomials, which a compiled run can evaluate."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stochq.systems.time_functions import TimeFunction, piecewise_cubic

# To this fraction of its largest value a function is followed.
_RTOL = 1e-6
# Intervals that a function is looked at in, at least; more pieces than this are refused.
_FEWEST, _MOST = 128, 2**15
# Pieces shorter than this fraction of the run hold a jump; values that differ by more than this fraction are one.
_SHORTEST, _JUMP = 1e-10, 1e-4
# Terms that nowhere reach this fraction of the largest value are what rounding left.
_ROUNDING = 1e-12
# Within a piece: where a cubic is fixed, and where it is compared.
_NODES = (1 - np.cos(np.pi * (np.arange(4) + 0.5) / 4)) / 2
_CHECKS = np.array([0.001, 0.17, 0.5, 0.83, 0.999])
_INVERSE = np.linalg.inv(np.vander(_NODES))
_AT_CHECKS = np.vander(_CHECKS, 4) @ _INVERSE


class _Piece(NamedTuple):
    """coefficients (4, J) of powers of the time passed, the highest first; whether a jump is somewhere in it."""

    start: float
    stop: float
    coefficients: np.ndarray
    jumps: bool


def time_functions_of(
    name: str, function: Callable[[float], np.ndarray], start: float, stop: float, knots: np.ndarray
) -> list[TimeFunction]:
    """Functions of the time, known between two times, as ones that a run can compile.

    Each is followed to a fraction of 10⁻⁶ of its largest value; where one jumps, steps end. What is narrower than a
    hundredth of the distance between knots, or than a thousandth of the run, may be missed.

    Args:
        name: of the argument, for messages.
        function: of the time, the values (J,) of all of them.
        start, stop: of the run.
        knots: times at which they may be less than smooth, such as those of samples.

    Raises:
        ValueError: for functions that vary too fast.
    """
    inside = knots[(knots > start) & (knots < stop)]
    ends = np.unique(np.concatenate([np.linspace(start, stop, _FEWEST + 1), inside]))
    pieces: list[_Piece] = []
    waiting, size = list(zip(ends[:-1], ends[1:], strict=True)), np.zeros(())
    while waiting:
        made = [_fitted(function, float(a), float(b)) for a, b in waiting]
        size = np.maximum(size, np.max([largest for _, _, largest in made], axis=0))
        waiting = []
        for piece, error, _ in made:
            if np.all(error <= _RTOL * size):
                pieces.append(piece)
            elif piece.stop - piece.start <= _SHORTEST * (stop - start):
                pieces.append(piece._replace(jumps=True))
            else:
                middle = 0.5 * (piece.start + piece.stop)
                waiting += [(piece.start, middle), (middle, piece.stop)]
        if len(pieces) + len(waiting) > _MOST:
            raise ValueError(
                f"{name}: expected coefficients that up to {_MOST} cubic pieces follow from t = {start:g} to {stop:g}; "
                "they vary too fast for that. Give sq.simulate a Hamiltonian with functions of jax.numpy, "
                "sq.systems.driven(H0, [(H1, lambda t: jnp.cos(w * t))]), or take a rotating frame."
            )
    pieces.sort(key=lambda piece: piece.start)
    return _joined(pieces, size)


def _fitted(
    function: Callable[[float], np.ndarray], start: float, stop: float
) -> tuple[_Piece, np.ndarray, np.ndarray]:
    """A cubic, its largest error (J,) and the largest values (J,)."""
    length = stop - start
    values = np.array([function(float(start + u * length)) for u in np.concatenate([_NODES, _CHECKS])])
    fixed, seen = values[:4], values[4:]
    error = np.abs(_AT_CHECKS @ fixed - seen).max(axis=0)
    scales = (1 / length) ** np.arange(3, -1, -1)
    return _Piece(start, stop, scales[:, None] * (_INVERSE @ fixed), False), error, np.abs(values).max(axis=0)


def _joined(pieces: list[_Piece], size: np.ndarray) -> list[TimeFunction]:
    edges = [0.5 * (piece.start + piece.stop) for piece in pieces if piece.jumps]
    for before, after in zip(pieces[:-1], pieces[1:], strict=True):
        reached = (before.stop - before.start) ** np.arange(3, -1, -1) @ before.coefficients
        if not (before.jumps or after.jumps) and np.any(np.abs(after.coefficients[-1] - reached) > _JUMP * size):
            edges.append(after.start)
    times = np.array([piece.start for piece in pieces] + [pieces[-1].stop])
    coefficients = np.array([piece.coefficients for piece in pieces])
    jumps = np.array([piece.jumps for piece in pieces])
    coefficients[jumps, :3] = 0.0  # between two values that differ: a step of a run ends here
    powers = np.diff(times)[:, None, None] ** np.arange(3, -1, -1)[None, :, None]
    coefficients[np.abs(coefficients * powers) < _ROUNDING * size] = 0.0
    return [
        piecewise_cubic(times, coefficients[:, :, place].T, np.sort(edges)) for place in range(coefficients.shape[2])
    ]
