"""Square roots whose derivative has no NaN where a rate or a population is absent."""

import jax
import jax.numpy as jnp
from jax import lax


@jax.custom_jvp
def root(x: jax.Array) -> jax.Array:
    """√x, with the slope ½/√(x + tiny).

    A quantity that stays zero passes no gradient, where √x alone would pass 0·∞. One that leaves zero passes an
    absurdly large but finite one: the derivative does not exist there, and a small number would hide that.

    >>> import jax
    >>> float(jax.grad(lambda strength: root(0.0 * strength))(1.0))
    0.0
    """
    return jnp.sqrt(x)


@root.defjvp
def _root_rule(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    return root(x), 0.5 * lax.rsqrt(x + jnp.finfo(x.dtype).tiny) * change
