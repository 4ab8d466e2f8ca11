"""Which instrument a record is read with."""

from functools import partial
from itertools import product
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete, nan_unless
from stochq.compiling import compiled
from stochq.instruments.commuting import commutes, commuting_instrument
from stochq.instruments.exact import ExactInstrument, coefficients, doublings_of
from stochq.instruments.halved import MOST_CURRENTS, halved_instrument
from stochq.instruments.hermite import Powers, powers_up_to
from stochq.instruments.instrument import Instrument, Observed
from stochq.instruments.kraus import kraus_instrument
from stochq.instruments.low_rank import low_rank_instrument
from stochq.instruments.words import Pairs, moments, not_commuting, unordered
from stochq.measurement.line import WatchedParts
from stochq.systems.checks import check_count

Method = Literal["auto", "exact", "kraus", "commuting"]
Kind = Literal["exact", "pure", "mixed", "commuting"] | int
# The exact maps have dim⁴ numbers for each power of what was written down.
LARGEST_EXACT = {0: 8, 1: 8, 2: 8, 3: 4}
# Degrees of the series for so many currents: the most that its coefficients have digits for, and what is taken while
# JAX traces the parameters, where their size is not known.
_MOST, _TRACED = {0: 0, 1: 42, 2: 30, 3: 16}, {0: 0, 1: 16, 2: 12, 3: 9}
_DEGREES = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 40)
# The chance of more clicks in a bin than are counted.
_RARE = 1e-12
# What the first terms left out may be, for typical records, and what is refused.
_NEGLIGIBLE, _TOO_MUCH = 1e-13, 1e-6
# With the fourth the work is 256 times that of the bin itself.
_MOST_HALVINGS = 4


def check_method(method: str) -> None:
    """ValueError for a method that does not exist."""
    if not isinstance(method, str) or method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}; got {method!r}.")


def choose(observed: Observed, state: Array, method: str, *, rank: int | None = None, linear: bool = False) -> Kind:
    """What kind of instrument a method asks for; "auto" takes the exact one where it fits.

    rank: of the conditional states, None for any; it is the kind where it is given. linear: whether states have to be
    density matrices.
    """
    check_method(method)
    if rank is not None:
        return _checked_rank(rank, observed, method)
    if linear and method == "commuting":
        raise ValueError("method: expected 'auto', 'exact' or 'kraus' for effects; got 'commuting'.")
    if method == "commuting" or (method == "auto" and is_concrete(observed.parts) and not linear):
        problem = _why_not_commuting(observed.parts)
        if not problem:
            return "commuting"
        if method == "commuting":
            raise ValueError(f"method: expected 'auto', 'exact' or 'kraus', as {problem}; got 'commuting'.")
    dim = observed.parts.hamiltonian.shape[-1]
    currents, counters = (stack.shape[-3] for stack in (observed.parts.watched, observed.parts.counted))
    largest = LARGEST_EXACT.get(currents + counters, 0)
    if method == "exact" and dim > largest:
        raise ValueError(
            f"method: expected 'kraus' for {currents + counters} columns of a system of {dim} levels; got 'exact', "
            f"whose maps have dim⁴ numbers: at most {largest} levels. Or leave it to 'auto'."
        )
    if method == "exact" or (method == "auto" and dim <= largest):
        return "exact"
    dark = counters and not (is_concrete(observed.parts.dark) and not np.any(observed.parts.dark))
    # Clicks at unknown times beside a current leave a mixture, and so do dark ones.
    lossless = observed.parts.lost.shape[-3] == 0 and np.ndim(state) == 1 and not linear
    # So does the unknown order of what is written down within a bin.
    if is_concrete(observed.parts):
        lossless = lossless and not unordered(observed.parts) and not not_commuting(observed.parts.counted)
    return "pure" if lossless and not dark and not (counters and currents) else "mixed"


def _checked_rank(rank: Any, observed: Observed, method: str) -> int:
    """A rank as an int; ValueError unless conditional states can have it."""
    dim = observed.parts.hamiltonian.shape[-1]
    rank = check_count("rank", rank, 1, most=dim)
    if method not in ("auto", "kraus"):
        raise ValueError(f"rank: expected None with method={method!r}, which holds whole density matrices; got {rank}.")
    if observed.parts.counted.shape[-3]:
        raise ValueError(f"rank: expected None with records of counting; got {rank}.")
    return rank


def can_be_halved(observed: Observed) -> bool:
    """Whether the bins of Kraus maps can be halved inside: for clicks and many currents there are too many ways."""
    currents, counters = (stack.shape[-3] for stack in (observed.parts.watched, observed.parts.counted))
    return not counters and currents <= MOST_CURRENTS


def checked_halvings(halvings: Any, kind: Kind, observed: Observed) -> int:
    """How often bins are halved inside, as an int; ValueError unless the instrument has states that are mixed."""
    halvings = check_count("halvings", halvings, 0, most=_MOST_HALVINGS)
    if halvings and kind not in ("pure", "mixed"):
        what = "a rank" if isinstance(kind, int) else f"method={kind!r}, which has no error of the bins' width"
        raise ValueError(f"halvings: expected 0 with {what}; got {halvings}.")
    if halvings and not can_be_halved(observed):
        raise ValueError(
            f"halvings: expected 0 for counters and for more than {MOST_CURRENTS} real columns; got {halvings}."
        )
    return halvings


def build(kind: Kind, observed: Observed, halvings: int = 0) -> Instrument:
    """The instrument of the observed equation's bins; halvings: how often they are halved inside."""
    if kind == "exact":
        return _exact(observed)
    pairs = unordered(observed.parts)
    if halvings:
        make = halved_instrument if not is_concrete(observed.parts) else _compiled_halved
        return make(observed.parts, observed.lengths, halvings, pairs)
    if isinstance(kind, int):
        return _compiled_low_rank(observed.parts, observed.lengths, kind, pairs)
    traced = not is_concrete(observed.parts)
    if kind == "commuting":
        return (commuting_instrument if traced else _compiled_commuting)(observed.parts, observed.lengths)
    make = _kraus if traced else _compiled_kraus
    return make(observed.parts, observed.lengths, kind == "pure", observed.most_clicks, pairs)


def _why_not_commuting(parts: WatchedParts) -> str:
    """Empty where all operators are diagonal; traced ones count as such."""
    if parts.counted.shape[-3]:
        return "clicks are counted"
    if is_concrete(parts) and not commutes(parts):
        return "not all operators, the Hamiltonian among them, are diagonal in the given basis"
    return ""


def _kraus(parts: WatchedParts, lengths: Array, pure: bool, most_clicks: int, pairs: Pairs) -> Instrument:
    return kraus_instrument(parts, lengths, pure=pure, most_clicks=most_clicks, pairs=pairs)


_compiled_kraus, _compiled_commuting = compiled(_kraus), compiled(commuting_instrument)
_compiled_low_rank, _compiled_halved = compiled(low_rank_instrument), compiled(halved_instrument)


def _exact(observed: Observed) -> ExactInstrument:
    currents, counters = (stack.shape[-3] for stack in (observed.parts.watched, observed.parts.counted))
    traced = not is_concrete(observed.parts)
    degree = _TRACED[currents] if traced else _MOST[currents]
    # Two degrees more, to see how much is left out.
    powers = _powers(currents, degree + 2 * traced, counters, observed.most_clicks)
    rate = 0.0 if traced else largest_rate(observed.parts) * float(np.max(observed.lengths))
    doublings = doublings_of(currents, counters, rate, observed.most_clicks) if counters else 0
    if traced:
        found = _coefficients(observed.parts, jnp.asarray(observed.lengths), powers, doublings)
        if currents:
            left_out = next_terms(jnp, found, powers, currents)[-1]
            found = nan_unless(left_out < _TOO_MUCH, found)
        return _of_degree(found, observed.lengths, powers, currents, degree)
    found = np.asarray(_compiled_coefficients(observed.parts, jnp.asarray(observed.lengths), powers, doublings))
    if currents:
        degree = _enough(np.asarray(next_terms(np, found, powers, currents)), float(np.max(observed.lengths)))
    return _of_degree(found, observed.lengths, powers, currents, degree)


def bins_too_wide(longest: float) -> ValueError:
    """What is wrong where the series does not converge."""
    return ValueError(
        "times: expected bins short against the time in which the state becomes known, so that the series in what is "
        f"written down converges; the longest is {longest:.3g}. Take shorter bins."
    )


def _enough(left_out: np.ndarray, longest: float) -> int:
    """The degree above which nothing is worth its time."""
    degrees = [degree for degree in _DEGREES if degree < len(left_out)]
    if left_out[degrees[-1]] > _TOO_MUCH:
        raise bins_too_wide(longest)
    return next((degree for degree in degrees if left_out[degree] < _NEGLIGIBLE), degrees[-1])


def most_clicks(rate: float, longest: float, rare: float = _RARE) -> int:
    """Clicks in the longest bin, of which more are as rare as this, or as a rounding error.

    rate: of clicks, at most.
    """
    if not rate:
        return 0
    from scipy.stats import poisson

    return int(poisson.isf(rare, rate * longest))


def largest_rate(parts: WatchedParts) -> float:
    """The rate of all clicks in any state, at most; parts: of all bins, or with a leading axis (bins, ...)."""
    if not parts.counted.shape[-3]:
        return 0.0
    loss = np.einsum("...cki,...ckj->...ij", np.conj(parts.counted), np.asarray(parts.counted))
    return float(np.max(np.linalg.norm(loss, 2, axis=(-2, -1))) + np.max(np.sum(parts.dark, axis=-1)))


def _coefficients(parts: WatchedParts, lengths: Array, powers: Powers, doublings: int) -> jax.Array:
    axes = 0 if parts.hamiltonian.ndim == 3 else None
    one_bin = partial(coefficients, powers=powers, doublings=doublings)
    return jax.vmap(one_bin, in_axes=(axes, 0))(parts, lengths)


def _powers(currents: int, degree: int, counters: int, clicks: int) -> Powers:
    counts = list(product(range(clicks + 1), repeat=counters))
    return tuple((*power, *count) for power in powers_up_to(currents, degree) for count in counts)


_compiled_coefficients = compiled(_coefficients)


def next_terms(arrays: Any, found: Array, powers: Powers, currents: int) -> Array:
    """What the terms of the next two degrees after 0, 1, … amount to: their sizes times the spread of He_n."""
    spread = np.sqrt(moments(tuple(power[:currents] for power in powers)))
    sizes = arrays.sqrt(arrays.sum(arrays.square(found), axis=(-1, -2))).max(0)
    degrees = np.array([sum(power[:currents]) for power in powers])
    beyond = degrees[None] - np.arange(degrees.max() - 1)[:, None]
    return arrays.sum(((beyond == 1) | (beyond == 2)) * (spread * sizes)[None], axis=1)


def _of_degree(found: Array, lengths: Array, powers: Powers, currents: int, degree: int) -> ExactInstrument:
    kept = [place for place, power in enumerate(powers) if sum(power[:currents]) <= degree]
    return ExactInstrument(found[:, np.array(kept)], jnp.asarray(lengths), tuple(powers[k] for k in kept))
