r"""What records of linear systems tell about parameters, in closed form, without any records.

The innovations ν of Kalman's filter are independent and Gaussian with covariances S, so that

$$F_{ij} = \sum_\text{bins}\tfrac12\mathrm{Tr}\,S^{-1}\partial_iS\,S^{-1}\partial_jS
  + \mathrm E\,\partial_i\nu^TS^{-1}\partial_j\nu$$

(Gupta and Mehra, IEEE Trans. Autom. Control 19, 774 (1974)). The mean and its derivatives together, z = (x̄, ∂x̄), move
linearly and are driven by the innovations alone, z → Φz + Γν, so E zzᵀ follows from bin to bin.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.gaussian.filtering import covariances_of, with_record
from stochq.gaussian.paths import check_one_state
from stochq.gaussian.propagation import distinct
from stochq.gaussian.state import State

if TYPE_CHECKING:
    from stochq.gaussian.monitored import Monitored


class _Course(NamedTuple):
    """What the filter does whatever is written down. mean: (2n,) at the start. Of every bin: propagator (T, 2n, 2n) and
    signal (T, m, 2n), what the mean becomes and what it lets expect of the record; gain (T, 2n, m); spread S
    (T, m, m)."""

    mean: jax.Array
    propagator: jax.Array
    signal: jax.Array
    gain: jax.Array
    spread: jax.Array


def fisher_information(
    predict: Callable[[jax.Array], "tuple[Monitored, State]"], times: np.ndarray
) -> Callable[[jax.Array], jax.Array]:
    """The compiled function θ (P,) -> F (P, P), about θ in one record of bins that end at these times; in double
    precision.

    predict: from θ to the system and its state at the first of the times.
    """
    lengths, which = (np.asarray(part) for part in distinct(times))

    def course(theta: jax.Array) -> _Course:
        monitored, state = predict(theta)
        dynamics = monitored.dynamics
        check_one_state(state, dynamics)
        system = with_record(dynamics.drift, dynamics.diffusion, monitored.read, monitored.noise, monitored.hbar)
        bins = covariances_of(system, jnp.asarray(state.covariance), jnp.asarray(lengths), jnp.asarray(which))
        return _Course(jnp.asarray(state.mean), *bins)

    @jax.jit
    def found(theta: jax.Array) -> jax.Array:
        slopes = jax.tree.map(lambda slope: jnp.moveaxis(slope, -1, 0), jax.jacfwd(course)(theta))
        return _summed(course(theta), slopes)

    return found


def _summed(course: _Course, slopes: _Course) -> jax.Array:
    """F of all bins. slopes: the derivatives, with the parameters as leading axis."""
    parameters, size = slopes.mean.shape

    def step(carry: tuple[jax.Array, jax.Array], bin: tuple) -> tuple[tuple[jax.Array, jax.Array], None]:
        moment, total = carry
        one, slope = bin
        kept = one.propagator - one.gain @ one.signal
        # The derivatives of the mean after the bin and of the innovation in it, as matrices on z.
        from_mean = slope.propagator - jnp.einsum("xm,pmy->pxy", one.gain, slope.signal)
        flow = jnp.block(
            [
                [one.propagator, jnp.zeros((size, parameters * size))],
                [from_mean.reshape(-1, size), jnp.kron(jnp.eye(parameters), kept)],
            ]
        )
        driven = jnp.concatenate([one.gain, slope.gain.reshape(-1, one.gain.shape[-1])])
        own = jnp.kron(jnp.eye(parameters), one.signal).reshape(parameters, -1, parameters * size)
        innovation = jnp.concatenate([slope.signal, own], axis=-1)
        inverse = jnp.linalg.inv(one.spread)
        relative = jnp.einsum("mn,pnk->pmk", inverse, slope.spread)
        total += jnp.einsum("ima,mn,jnb,ab->ij", innovation, inverse, innovation, moment)
        total += 0.5 * jnp.einsum("imn,jnm->ij", relative, relative)
        return (flow @ moment @ flow.T + driven @ one.spread @ driven.T, total), None

    start = jnp.concatenate([course.mean, slopes.mean.reshape(-1)])
    of_bins = (
        course._replace(mean=jnp.zeros(len(course.gain))),
        jax.tree.map(lambda array: jnp.moveaxis(array, 0, 1), slopes._replace(mean=jnp.zeros((1, len(course.gain))))),
    )
    carry = jnp.outer(start, start), jnp.zeros((parameters, parameters))
    return lax.scan(step, carry, of_bins)[0][1]
