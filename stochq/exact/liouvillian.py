"""The generator of a small system as one real matrix."""

from collections.abc import Iterator
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.equation import Equation
from stochq.exact.action import channel_bases, pack, packed_generator, unpack
from stochq.exact.inputs import intervals

# The matrix has dim² rows.
LARGEST_DIM = 16
# Propagators over different intervals that are remembered: many of them would fill the memory and serve once.
_KEPT = 16


def liouvillian(equation: Equation, t: float = 0.0) -> np.ndarray:
    """The generator on packed matrices at time t, real (dim², dim²)."""
    identity = np.eye(equation.dim**2).reshape(-1, equation.dim, equation.dim)
    columns = np.asarray(_columns(equation, channel_bases(equation), jnp.asarray(t), identity))
    return columns.reshape(equation.dim**2, -1).T


@eqx.filter_jit
def _columns(equation: Equation, bases: tuple, t: jax.Array, identity: np.ndarray) -> jax.Array:
    return jax.vmap(lambda packed: packed_generator(equation, bases, t, packed))(identity)


def evolve_liouvillian(equation: Equation, rho: np.ndarray, times: np.ndarray) -> Iterator[np.ndarray]:
    """The density matrix at each time, by the exponential of the generator over every interval."""
    from scipy.linalg import expm

    matrix = liouvillian(equation)

    @lru_cache(maxsize=_KEPT)
    def propagator(length: float) -> np.ndarray:
        return expm(matrix * length)

    vector = pack(rho).reshape(-1)
    yield rho
    for length in map(float, intervals(times)):
        vector = propagator(length) @ vector
        yield unpack(vector.reshape(rho.shape))
