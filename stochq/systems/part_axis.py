"""Where one part stands among the states of a composite system, and what acts along it alone."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, is_concrete


class PartAxis(NamedTuple):
    """One part between those before and those after it: joint states ψ_{xiy} with i the part's own.

    before, dim, after: numbers of states; the last index changes fastest, as in `numpy.kron`.
    """

    before: int
    dim: int
    after: int

    @property
    def joint_dim(self) -> int:
        return self.before * self.dim * self.after

    @property
    def levels(self) -> np.ndarray:
        """The part's level in every joint state, (joint dim,)."""
        return np.arange(self.joint_dim) // self.after % self.dim

    def rows(self, psi: jax.Array) -> jax.Array:
        """Joint states (joint dim, *columns) as (dim, all else), so that a product with a matrix acts on the part."""
        return self.split(psi).reshape(self.dim, -1)

    def split(self, psi: jax.Array) -> jax.Array:
        """Joint states (joint dim, *columns) as (dim, states of the other parts, *columns)."""
        columns = psi.shape[1:]
        apart = jnp.moveaxis(jnp.reshape(psi, (self.before, self.dim, self.after, *columns)), 1, 0)
        return apart.reshape(self.dim, self.before * self.after, *columns)

    def joined(self, rows: jax.Array, columns: tuple[int, ...]) -> jax.Array:
        """Joint states (joint dim, *columns) from what `rows` or `split` made of them."""
        apart = jnp.reshape(rows, (self.dim, self.before, self.after, *columns))
        return jnp.moveaxis(apart, 0, 1).reshape(self.joint_dim, *columns)

    def act(self, action: Callable[[jax.Array], jax.Array], psi: jax.Array) -> jax.Array:
        """What an action on states (dim, columns) of the part makes of joint ones, (joint dim, *columns)."""
        return self.joined(action(self.rows(psi)), psi.shape[1:])

    def marginal(self, weights: jax.Array) -> jax.Array:
        """Weights of the part's levels, (dim, *columns), from those of joint states, (joint dim, *columns)."""
        return jnp.sum(jnp.reshape(weights, (self.before, self.dim, self.after, *weights.shape[1:])), axis=(0, 2))

    def spread(self, values: Array) -> jax.Array:
        """Values (joint dim, *columns) of joint states that depend on the part's level, (dim, *columns), alone."""
        shape = (self.before, self.dim, self.after, *values.shape[1:])
        return jnp.broadcast_to(jnp.asarray(values)[None, :, None], shape).reshape(self.joint_dim, *values.shape[1:])

    def matrix(self, operator: Array) -> Array:
        """1 ⊗ A ⊗ 1 for operators A (..., dim, dim) of the part, (..., joint dim, joint dim)."""
        xp = np if is_concrete(operator) else jnp
        inner = xp.kron(operator, np.eye(self.after))
        return xp.kron(np.eye(self.before), inner)
