"""Further places where a search begins."""

from typing import Any

import jax
import numpy as np

from stochq.inference.coordinates import Coordinates, Priors
from stochq.inference.result import flat, parameter_names

# Of a Gaussian prior, starts lie within the central part of this probability.
_CENTRAL = 0.95


def further_starts(starts: Any, start: Any, coordinates: Coordinates, priors: Priors) -> list[np.ndarray]:
    """Vectors (P,) beside the start itself: those given, or as many as are asked for, spread evenly."""
    if starts is None:
        return []
    if isinstance(starts, (int, np.integer)) and not isinstance(starts, bool):
        if starts < 1:
            raise ValueError(f"starts: expected a number, at least 1, or a list of starts; got {starts}.")
        return _spread(int(starts) - 1, start, coordinates, priors)
    if not isinstance(starts, (list, tuple)):
        raise ValueError(f"starts: expected a number or a list of starts; got {type(starts).__name__}.")
    return [_given(place, one, start, coordinates) for place, one in enumerate(starts)]


def _given(place: int, one: Any, start: Any, coordinates: Coordinates) -> np.ndarray:
    same = jax.tree_util.tree_structure(one) == jax.tree_util.tree_structure(start)
    if not same or list(map(np.shape, jax.tree_util.tree_leaves(one))) != list(
        map(np.shape, jax.tree_util.tree_leaves(start))
    ):
        raise ValueError(f"starts[{place}]: expected the structure and shapes of start; got {one!r}.")
    vector = flat(one)
    outside = ~((vector > coordinates.low) & (vector < coordinates.high))
    if np.any(outside) or not np.all(np.isfinite(vector)):
        name = parameter_names(start)[int(np.argmax(outside))]
        raise ValueError(f"starts[{place}]: expected finite numbers within the bounds; got {name!r} outside them.")
    return vector


def _spread(count: int, start: Any, coordinates: Coordinates, priors: Priors) -> list[np.ndarray]:
    """Points of a Sobol sequence over the central part of priors, cut at the bounds, and over bounds elsewhere."""
    from scipy import stats

    reach = stats.norm.isf((1 - _CENTRAL) / 2)
    width = np.where(np.isfinite(priors.stderr), priors.stderr, 0.0) * reach
    known = np.isfinite(priors.stderr)
    low = np.where(known, np.maximum(priors.mean - width, coordinates.low), coordinates.low)
    high = np.where(known, np.minimum(priors.mean + width, coordinates.high), coordinates.high)
    for name, wide in zip(parameter_names(start), ~np.isfinite(high - low), strict=True):
        if wide:
            raise ValueError(
                f"starts: expected two finite bounds or a prior for {name!r}, over which starts are spread. Give them, "
                "or a list of starts."
            )
    for name, one, other in zip(parameter_names(start), low, high, strict=True):
        if not one < other:
            raise ValueError(f"priors: expected that of {name!r} to reach between its bounds, so that starts may.")
    # Without the first point, which is a corner, and in whole powers of two, for which the sequence is even.
    draws = stats.qmc.Sobol(len(low), scramble=False).random_base2(max(1, count + 1).bit_length())
    return list(low + (high - low) * draws[1 : count + 1])
