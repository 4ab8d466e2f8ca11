"""The master equation as an ordinary differential equation: any channel, any Hamiltonian, any time dependence."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number
from stochq.equation import Equation
from stochq.exact.action import channel_bases, pack, packed_generator, unpack
from stochq.systems.influences import Followed

RELATIVE, ABSOLUTE = 1e-9, 1e-11
# The error is estimated from a second run with tolerances this many times looser, whose error is so much larger, ...
_LOOSER = 100.0
# ... and multiplied by this, because the error need not shrink in proportion to the tolerance.
_ERROR_SAFETY = 10.0
_MAX_STEPS = 10_000_000
# How far inside a span, in its lengths, its ends are looked at.
_INSET = 1e-10
# Steps that a run of an equation that depends on time has at least, and as many more as none leaps over a pulse that
# turns a state by this angle, or makes so many jumps.
LEAST_STEPS, _NEGLIGIBLE = 256, 1e-3

Slope = Callable[[Number, jax.Array], jax.Array]


class Solved(NamedTuple):
    """A density matrix, the estimate of its error and the steps taken so far."""

    rho: np.ndarray
    error: float
    steps: int


def evolve_ode(equation: Equation, rho: np.ndarray, times: np.ndarray) -> Iterator[Solved]:
    """The density matrix at each time by an adaptive Runge-Kutta method of order 8 (Dormand and Prince)."""
    slope = eqx.Partial(packed_generator, equation, channel_bases(equation))
    for packed, error, steps in integrate(slope, pack(rho), times, equation):
        yield Solved(unpack(packed), error, steps)


def integrate(
    slope: Slope, start: np.ndarray, times: np.ndarray, equation: Equation
) -> Iterator[tuple[np.ndarray, float, int]]:
    """dy/dt = slope(t, y) for real y: y at each time, an estimate of its error and the steps taken so far.

    equation: from which the slope is made. Where it depends on time no step reaches over a jump of a coefficient, nor
    is longer than a small part of the run: one that has grown where nothing happens would leap over a pulse.
    """
    longest = _longest(equation, times) if equation.time_dependent else np.inf
    fine = coarse = jnp.asarray(start)
    error, steps = 0.0, 0
    yield start, error, steps
    stops = np.union1d(times, equation.edges(times))
    for begin, end in zip(stops[:-1], stops[1:], strict=True):
        fine, taken = _advance(slope, fine, begin, end, longest, 1.0)
        coarse, more = _advance(slope, coarse, begin, end, longest, _LOOSER)
        difference = float(jnp.max(jnp.abs(fine - coarse)))
        error, steps = max(error, difference * _ERROR_SAFETY / _LOOSER), steps + taken + more
        if end in times:
            yield np.asarray(fine), error, steps


def _longest(equation: Equation, times: np.ndarray) -> float:
    """The longest step of an equation that depends on time."""
    start, stop, steps = float(times[0]), float(times[-1]), LEAST_STEPS
    edges = equation.edges(times)
    for influence in equation.influences:
        followed = Followed(influence, start, stop, edges)
        while followed.is_judged(2 * steps) and not followed.is_noticed(
            np.linspace(start, stop, steps + 1), _NEGLIGIBLE
        ):
            steps *= 2
    return (stop - start) / steps


def _advance(
    slope: Slope, y: jax.Array, start: float, stop: float, longest: float, looser: float
) -> tuple[jax.Array, int]:
    final, steps, finished = _solve(slope, y, jnp.asarray([start, stop]), jnp.asarray(longest), jnp.asarray(looser))
    if not bool(finished):
        raise RuntimeError(
            f"The master equation could not be integrated from t = {start:g} to {stop:g} within {_MAX_STEPS} steps. "
            "The rates or the Hamiltonian are too large for the interval, or a drive is not finite."
        )
    return final, int(steps)


@eqx.filter_jit
def _solve(slope: Slope, y: jax.Array, span: jax.Array, longest: jax.Array, looser: jax.Array) -> tuple:
    import diffrax

    inset = _INSET * (span[1] - span[0])

    def inside(t: Number, state: jax.Array, args: None) -> jax.Array:
        """The slope; where a coefficient jumps at an end of the span, the value inside counts."""
        return slope(jnp.clip(t, span[0] + inset, span[1] - inset), state)

    controller = diffrax.PIDController(
        rtol=RELATIVE * looser,
        atol=ABSOLUTE * looser,
        dtmax=longest,
        norm=lambda error: jnp.max(jnp.abs(error)),
    )
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(inside),
        diffrax.Dopri8(),
        span[0],
        span[1],
        None,
        y,
        stepsize_controller=controller,
        saveat=diffrax.SaveAt(t1=True),
        max_steps=_MAX_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys[0], solution.stats["num_steps"], solution.result == diffrax.RESULTS.successful
