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

RELATIVE, ABSOLUTE = 1e-9, 1e-11
# The error is estimated from a second run with tolerances this many times looser, whose error is so much larger, ...
_LOOSER = 100.0
# ... and multiplied by this, because the error need not shrink in proportion to the tolerance.
_ERROR_SAFETY = 10.0
_MAX_STEPS = 10_000_000
# Steps that a run of an equation that depends on time has at least.
_LEAST_STEPS = 256

Slope = Callable[[Number, jax.Array], jax.Array]


class Solved(NamedTuple):
    """A density matrix, the estimate of its error and the steps taken so far."""

    rho: np.ndarray
    error: float
    steps: int


def evolve_ode(equation: Equation, rho: np.ndarray, times: np.ndarray) -> Iterator[Solved]:
    """The density matrix at each time by an adaptive Runge-Kutta method of order 8 (Dormand and Prince)."""
    slope = eqx.Partial(packed_generator, equation, channel_bases(equation))
    ends = np.union1d(times, equation.edges(times))
    solved = integrate(slope, pack(rho), ends, equation.time_dependent)
    for (packed, error, steps), is_saved in zip(solved, np.isin(ends, times), strict=True):
        if is_saved:
            yield Solved(unpack(packed), error, steps)


def integrate(
    slope: Slope, start: np.ndarray, times: np.ndarray, time_dependent: bool
) -> Iterator[tuple[np.ndarray, float, int]]:
    """dy/dt = slope(t, y) for real y: y at each time, an estimate of its error and the steps taken so far.

    time_dependent: whether slope depends on t. No step is then longer than a small part of the run, since an adaptive
    step that has grown where nothing happens would leap over a pulse.
    """
    longest = (times[-1] - times[0]) / _LEAST_STEPS if time_dependent else np.inf
    fine = coarse = jnp.asarray(start)
    error, steps = 0.0, 0
    yield start, error, steps
    for begin, end in zip(times[:-1], times[1:], strict=True):
        fine, taken = _advance(slope, fine, begin, end, longest, 1.0)
        coarse, more = _advance(slope, coarse, begin, end, longest, _LOOSER)
        difference = float(jnp.max(jnp.abs(fine - coarse)))
        error, steps = max(error, difference * _ERROR_SAFETY / _LOOSER), steps + taken + more
        yield np.asarray(fine), error, steps


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

    controller = diffrax.PIDController(
        rtol=RELATIVE * looser,
        atol=ABSOLUTE * looser,
        dtmax=longest,
        norm=lambda error: jnp.max(jnp.abs(error)),
    )
    solution = diffrax.diffeqsolve(
        # A coefficient that jumps at the end of the span has its value before the jump in all of it.
        diffrax.ODETerm(lambda t, state, args: slope(jnp.minimum(t, jnp.nextafter(span[1], span[0])), state)),
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
