"""Linear algebra on one state: products that do not pay for imaginary parts that are zero."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Num

from stochq.accelerators import on_accelerator
from stochq.arrays import Array, Number

# Accelerators round float32 products to fewer bits unless told otherwise; a propagator must stay unitary.
MATMUL_PRECISION = lax.Precision.HIGHEST


def multiply(a: Num[Array, "rows inner"], b: Num[Array, "inner *columns"]) -> Num[jax.Array, "rows *columns"]:
    """Matrix product in the full precision of its arguments."""
    return jnp.matmul(a, b, precision=MATMUL_PRECISION)


def apply_matrix(matrix: Num[Array, "rows dim"], psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "rows *columns"]:
    """Product `matrix @ psi`; a real matrix acts on a complex state as two real products.

    $$(M\\psi)_i = \\sum_j M_{ij}\\,\\psi_j
                 = (M\\,\\mathrm{Re}\\,\\psi)_i + i\\,(M\\,\\mathrm{Im}\\,\\psi)_i \\quad (M\\ \\text{real}).$$

    Shapes: matrix (rows, dim), psi (dim,) or (dim, columns).

    >>> import numpy as np
    >>> bool(np.allclose(apply_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 1j])), [1j, 1.0]))
    True
    """
    psi = jnp.asarray(psi)
    if not jnp.iscomplexobj(psi):
        return multiply(matrix, psi)
    if jnp.iscomplexobj(matrix):
        # One kernel in place of three products and two more operations; their memory is what takes time there.
        return multiply(matrix, psi) if on_accelerator() else _gauss(jnp.asarray(matrix), psi)
    return lax.complex(multiply(matrix, psi.real), multiply(matrix, psi.imag))


def _gauss(matrix: jax.Array, psi: jax.Array) -> jax.Array:
    real, imag = matrix.real, matrix.imag
    a = multiply(real, psi.real + psi.imag)
    return lax.complex(a - multiply(real + imag, psi.imag), a + multiply(imag - real, psi.real))


def scale(weights: Num[Array, " dim"], psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
    """Product of a diagonal operator, given as a vector, with a state (dim,) or with each column of (dim, columns)."""
    weights, psi = jnp.asarray(weights), jnp.asarray(psi)
    weights = weights.reshape(weights.shape + (1,) * (psi.ndim - 1))
    if jnp.iscomplexobj(weights) or not jnp.iscomplexobj(psi):
        return weights * psi
    return lax.complex(weights * psi.real, weights * psi.imag)


def times_real(factor: Number, psi: Num[Array, "*shape"]) -> Num[jax.Array, "*shape"]:
    """Product of real factors (dim | 1, *columns | 1) with complex states, without a complex product."""
    return lax.complex(factor * psi.real, factor * psi.imag)


def level_sum(values: Num[Array, "dim *columns"]) -> Num[jax.Array, "1 *columns"]:
    """Sum over levels, one for each column, the axis kept."""
    if values.ndim == 1 or on_accelerator():
        return jnp.sum(values, axis=0, keepdims=True)
    if jnp.iscomplexobj(values):
        return lax.complex(level_sum(values.real), level_sum(values.imag))
    # A product with ones: XLA's CPU reduction would evaluate the summed expression once more than a product does.
    levels, columns = values.shape[0], values.shape[1:]
    return multiply(jnp.ones((1, levels), values.dtype), values.reshape(levels, -1)).reshape(1, *columns)


def inner(bra: Num[Array, "dim *columns"], ket: Num[Array, "dim *columns"]) -> Num[jax.Array, "1 *columns"]:
    """The products <bra|ket>, one for each column, the axis kept."""
    real = level_sum(bra.real * ket.real + bra.imag * ket.imag)
    return lax.complex(real, level_sum(bra.real * ket.imag - bra.imag * ket.real))


def populations(psi: jax.Array) -> jax.Array:
    """|ψ_i|², (dim, *columns)."""
    return psi.real * psi.real + psi.imag * psi.imag


def normalized(psi: jax.Array) -> jax.Array:
    """ψ/|ψ|, each column by its own norm."""
    return times_real(jax.lax.rsqrt(level_sum(populations(psi))), psi)


def largest(exponent: jax.Array) -> jax.Array:
    """The largest of each column, (1, *columns), to be taken off exponents of what is normalised, without a derivative.

    JAX's asks which numbers equal it, and divides by how many: by none where XLA rounds them another time.
    """
    return jax.lax.stop_gradient(jnp.max(exponent, axis=0, keepdims=True))


def column(vector: Num[Array, " dim"], psi: Num[Array, "dim *columns"]) -> Num[Any, "..."]:
    """A vector over levels, shaped to multiply states (dim, *columns)."""
    return jnp.reshape(vector, (-1,) + (1,) * (psi.ndim - 1))


def shift(psi: Num[Array, "dim *columns"], offset: int) -> Num[jax.Array, "dim *columns"]:
    """The vector with elements psi_{i + offset}, zero beyond the ends (no wrapping)."""
    psi = jnp.asarray(psi)
    if offset == 0:
        return psi
    # A slice beside zeros: padding complex numbers costs XLA's CPU code two and a half times as much.
    zeros = jnp.zeros((min(abs(offset), psi.shape[0]), *psi.shape[1:]), psi.dtype)
    return jnp.concatenate([psi[offset:], zeros] if offset > 0 else [zeros, psi[:offset]])


def apply_bands(
    offsets: tuple[int, ...], bands: Num[Array, "bands dim"], psi: Num[Array, "dim *columns"]
) -> Num[jax.Array, "dim *columns"]:
    """Banded matrix times state, with bands[b, i] the element in row i and column i + offsets[b]."""
    result = scale(bands[0], shift(psi, offsets[0]))
    for offset, band in zip(offsets[1:], bands[1:], strict=True):
        result = result + scale(band, shift(psi, offset))
    return result


def phases(energies: Num[Array, " *shape"], dt: Number) -> Num[jax.Array, " *shape"]:
    """The factors exp(-i E dt), in the precision of the energies whatever that of dt."""
    energies = jnp.asarray(energies)
    angles = energies * jnp.asarray(dt, energies.dtype)
    return lax.complex(jnp.cos(angles), -jnp.sin(angles))


def taylor_exponential(action: Callable[[Array], Array], dt: Number, psi: Array) -> Array:
    """Taylor series to fourth order of exp(-i K dt) psi, with action(psi) = K psi; error (|K| dt)^5 / 120."""
    term = total = psi
    # dt in the precision of the state, so that a double dt does not promote single states.
    dt = jnp.asarray(dt, psi.real.dtype)
    for order in range(1, 5):
        term = action(term) * (-1j * dt / order)
        total = total + term
    return total
