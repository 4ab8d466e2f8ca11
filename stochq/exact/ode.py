"""The master equation as an ordinary differential equation: any channel, any Hamiltonian, any time dependence."""

from collections.abc import Iterator
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


class Solved(NamedTuple):
    """A density matrix, the estimate of its error and the steps taken so far."""

    rho: np.ndarray
    error: float
    steps: int


def evolve_ode(equation: Equation, rho: np.ndarray, times: np.ndarray) -> Iterator[Solved]:
    """The density matrix at each time by an adaptive Runge-Kutta method of order 8 (Dormand and Prince)."""
    bases = channel_bases(equation)
    fine = coarse = jnp.asarray(pack(rho))
    error, steps = 0.0, 0
    yield Solved(rho, error, steps)
    for start, stop in zip(times[:-1], times[1:], strict=True):
        fine, taken = _advance(equation, bases, fine, start, stop, 1.0)
        coarse, more = _advance(equation, bases, coarse, start, stop, _LOOSER)
        difference = float(jnp.max(jnp.abs(fine - coarse)))
        error, steps = max(error, difference * _ERROR_SAFETY / _LOOSER), steps + taken + more
        yield Solved(unpack(np.asarray(fine)), error, steps)


def _advance(
    equation: Equation, bases: tuple, packed: jax.Array, start: float, stop: float, looser: float
) -> tuple[jax.Array, int]:
    final, steps, finished = _solve(equation, bases, packed, jnp.asarray([start, stop]), jnp.asarray(looser))
    if not bool(finished):
        raise RuntimeError(
            f"The master equation could not be integrated from t = {start:g} to {stop:g} within {_MAX_STEPS} steps. "
            "The rates or the Hamiltonian are too large for the interval, or a drive is not finite."
        )
    return final, int(steps)


@eqx.filter_jit
def _solve(equation: Equation, bases: tuple, packed: jax.Array, span: jax.Array, looser: jax.Array) -> tuple:
    import diffrax

    def slope(t: Number, y: jax.Array, args: None) -> jax.Array:
        return packed_generator(equation, bases, t, y)

    controller = diffrax.PIDController(
        rtol=RELATIVE * looser, atol=ABSOLUTE * looser, norm=lambda error: jnp.max(jnp.abs(error))
    )
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Dopri8(),
        span[0],
        span[1],
        None,
        packed,
        stepsize_controller=controller,
        saveat=diffrax.SaveAt(t1=True),
        max_steps=_MAX_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    return solution.ys[0], solution.stats["num_steps"], solution.result == diffrax.RESULTS.successful
