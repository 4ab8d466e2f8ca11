"""Bounds and priors of parameters, and the coordinates in which bounded ones are free."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from stochq.arrays import is_concrete
from stochq.inference.result import flat, parameter_names


class Coordinates(NamedTuple):
    """Parameters θ within bounds low, high (P,), infinite where there are none, as free numbers u (P,).

    u = θ without bounds, ln(θ − low) with a lower one, −ln(high − θ) with an upper one, ln((θ − low)/(high − θ)) with
    both: it grows with θ.
    """

    low: np.ndarray
    high: np.ndarray

    def free(self, theta: np.ndarray) -> np.ndarray:
        """u of θ, both (P,)."""
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        over = np.log(np.where(below, theta - self.low, 1.0))
        under = np.log(np.where(above, self.high - theta, 1.0))
        return np.where(below | above, over - under, theta)

    def bounded(self, u: Any) -> Any:
        """θ of u, both (P,), by numpy or, where traced, by JAX."""
        space = np if is_concrete(u) else jnp
        below, above = np.isfinite(self.low), np.isfinite(self.high)
        low, high = np.where(below, self.low, 0.0), np.where(above, self.high, 0.0)
        small = space.exp(-space.abs(u))
        share = space.where(u >= 0, 1.0, small) / (1 + small)
        # From the nearer bound, so that no digit of a small distance is lost.
        both = space.where(u >= 0, high - (high - low) * small / (1 + small), low + (high - low) * share)
        over = low + space.exp(space.where(below & ~above, u, 0.0))
        under = high - space.exp(space.where(above & ~below, -u, 0.0))
        return space.where(below & above, both, space.where(below, over, space.where(above, under, u)))

    def slopes(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """dθ/du and d²θ/du², (P,) each."""
        over = np.where(np.isfinite(self.low), theta - self.low, 1.0)
        under = np.where(np.isfinite(self.high), self.high - theta, 1.0)
        both = np.isfinite(self.low) & np.isfinite(self.high)
        width = np.where(both, over + under, 1.0)
        first = over * under / width
        bend = np.where(both, (under - over) / width, 1.0 * np.isfinite(self.low) - 1.0 * np.isfinite(self.high))
        return first, first * bend

    def nearest(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearer bound of each parameter and the sign of θ − bound, (P,) each; infinite without bounds."""
        lower = theta - self.low <= self.high - theta
        return np.where(lower, self.low, self.high), np.where(lower, 1.0, -1.0)


class Priors(NamedTuple):
    """Gaussian knowledge of parameters from elsewhere: means and standard errors (P,), infinite for none."""

    mean: np.ndarray
    stderr: np.ndarray

    def rows(self, theta: Any) -> Any:
        """(θ − mean)/stderr of the parameters that have a prior."""
        known = self.known
        return (theta[known] - self.mean[known]) / self.stderr[known]

    @property
    def known(self) -> np.ndarray:
        """The places of parameters that have a prior."""
        return np.flatnonzero(np.isfinite(self.stderr))


def read_bounds(bounds: Any, start: Any) -> Coordinates:
    """Bounds given as pairs (low, high), None for open ends, in the structure of `start` or a part of it."""
    low, high = _pairs("bounds", "(low, high)", bounds, start, (-np.inf, np.inf))
    values = flat(start)
    for name, one, least, most in zip(parameter_names(start), values, low, high, strict=True):
        if not least < most:
            raise ValueError(f"bounds: expected low < high for {name!r}; got {least:g} and {most:g}.")
        if not least < one < most:
            raise ValueError(
                f"start: expected {name!r} within its bounds, between {least:g} and {most:g}; got {one:g}. A search "
                "that begins on a bound cannot leave it."
            )
    return Coordinates(low, high)


def read_priors(priors: Any, start: Any) -> Priors:
    """Priors given as pairs (mean, stderr) in the structure of `start` or a part of it."""
    mean, stderr = _pairs("priors", "(mean, stderr)", priors, start, (0.0, np.inf))
    for name, centre, error in zip(parameter_names(start), mean, stderr, strict=True):
        if not (np.isfinite(centre) and error > 0):
            raise ValueError(
                f"priors: expected a finite mean and a positive stderr for {name!r}; got {centre:g} and {error:g}."
            )
    return Priors(mean, stderr)


def _pairs(
    argument: str, what: str, spec: Any, start: Any, default: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    found: list[np.ndarray] = []
    _collect(argument, what, "", spec, start, default, found)
    both = np.concatenate([pair.reshape(-1, 2) for pair in found])
    return both[:, 0], both[:, 1]


def _collect(
    path: str, what: str, name: str, spec: Any, start: Any, default: tuple[float, float], found: list[np.ndarray]
) -> None:
    """Append the pairs (*shape, 2) of all arrays in `start`, in the order of its leaves."""
    if isinstance(start, Mapping):
        spec = {} if spec is None else spec
        if not isinstance(spec, Mapping):
            raise ValueError(f"{path}: expected {{name: {what}}} as start has names; got {type(spec).__name__}.")
        for key in spec:
            if key not in start:
                raise ValueError(
                    f"{path}: expected names among {', '.join(map(str, start))}; got {key!r}.{near(key, start)}"
                )
        for key in sorted(start):
            _collect(f"{path}[{key!r}]", what, str(key), spec.get(key), start[key], default, found)
        return
    if isinstance(start, (list, tuple)):
        spec = [None] * len(start) if spec is None else spec
        if not isinstance(spec, (list, tuple)) or len(spec) != len(start):
            raise ValueError(f"{path}: expected a list of {len(start)} pairs {what} or None, as start is one.")
        for place, (one, value) in enumerate(zip(spec, start, strict=True)):
            _collect(f"{path}[{place}]", what, str(place), one, value, default, found)
        return
    found.append(_pair(path, what, spec, np.shape(start), default))


def _pair(path: str, what: str, spec: Any, shape: tuple[int, ...], default: tuple[float, float]) -> np.ndarray:
    """One pair for an array of this shape, (*shape, 2)."""
    if spec is None:
        spec = default
    if not isinstance(spec, (list, tuple)) or len(spec) != 2:
        raise ValueError(f"{path}: expected a pair {what}, None for an open end; got {spec!r}.")
    if shape[-1:] == (2,) and any(isinstance(end, (list, tuple)) for end in spec):
        first, second = what.strip("()").split(", ")
        raise ValueError(
            f"{path}: expected a pair {what} for a start of shape {shape}; got {spec!r}, which may be two pairs for "
            f"two elements just as well. Write (np.array([...]), np.array([...])), all {first}, all {second}."
        )
    ends = [end if given is None else given for given, end in zip(spec, default, strict=True)]
    try:
        pair = np.stack([np.broadcast_to(np.asarray(end, dtype=np.float64), shape) for end in ends], axis=-1)
    except (ValueError, TypeError):
        raise ValueError(f"{path}: expected numbers, or arrays of shape {shape}; got {spec!r}.") from None
    if np.any(np.isnan(pair)):
        raise ValueError(f"{path}: expected numbers; got NaN.")
    return pair


def near(name: Any, known: Any) -> str:
    """A hint with the known name that is nearest to the one given, if any is near."""
    close = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
