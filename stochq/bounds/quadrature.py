r"""The integrals of eq. 13 of Adler, Bassi, Carlesso and Vinante (2019), free of dimensions and of cancellations.

Lengths are in units of r_C: u = q r_C is the momentum transfer, κ = k r_C the particle's momentum, and energies are
in units of ħ times the recoil frequency ħ/(2 m r_C²), so that ω̄ becomes v = u² + 2uκμ, μ the cosine between them.
All results are relative to white noise: they are 1 for a spectrum that is 1, whatever the momentum.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

# A spectrum may have its scale anywhere: the logarithm of each variable is divided into panels down to e^{-DEPTH} of
# its own scale, below which nothing that goes as its fourth power is left.
DEPTH = 36
# Beyond this e^{-u²} is below the rounding of what has been summed.
LARGEST = 8.0
# Momenta between which the form with sums and differences of the spectrum is used; below it the particle is at rest
# to rounding, above it the differences cancel.
SLOW, FAST = 1e-6, 8.0
NORM = 8 / (3 * np.sqrt(np.pi))
# Nodes per panel of the two rules; their difference is the error estimate.
COARSE, FINE = 7, 10

# Takes v, which may be of any shape, and gives the spectrum there.
Reduced = Callable[[jax.Array], jax.Array]


@functools.cache
def logarithmic(order: int, panels: int = DEPTH) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of ∫_0^1 f(t) dt, on panels that are equal in log t, the last few halved."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = np.concatenate([np.arange(-panels, -5.0), np.arange(-4.5, 0.5, 0.5)])
    widths = np.diff(edges)[:, None]
    t = np.exp(edges[:-1, None] + widths * (nodes + 1) / 2)
    return t.ravel(), (t * widths * weights / 2).ravel()


def at_rest(spectrum: Reduced, order: int) -> tuple[jax.Array, jax.Array]:
    r"""A particle at rest: $$\frac{8}{3\sqrt\pi}\int_0^\infty u^4 e^{-u^2} s(u^2)\,du$$; and the last share."""
    return _fourth_moment(lambda u: spectrum(u**2), order)


def linear(spectrum: Reduced, order: int) -> tuple[jax.Array, jax.Array]:
    r"""Phonons, ω = c q: $$\frac{8}{3\sqrt\pi}\int_0^\infty u^4 e^{-u^2} s(u)\,du$$; and the last share."""
    return _fourth_moment(spectrum, order)


def _fourth_moment(spectrum: Reduced, order: int) -> tuple[jax.Array, jax.Array]:
    t, weights = logarithmic(order)
    u = LARGEST * jnp.asarray(t)
    share = NORM * LARGEST * weights * u**4 * jnp.exp(-(u**2)) * spectrum(u)
    return jnp.sum(share), share[-1]


def moving(spectrum: Reduced, momenta: jax.Array, order: int) -> tuple[jax.Array, jax.Array]:
    """Particles of reduced momenta κ (momenta,), each averaged over directions; and the last share.

    The spectrum is asked once per form, outside of what is compiled: it may be any function.
    """
    plus, minus, *weights = _slow(momenta, order)
    above, below = spectrum(plus), spectrum(minus)
    slow, slow_share = _sum_slow(above, below, *weights)
    energies, weight = _fast(momenta, order)
    fast, fast_share = _sum_fast(spectrum(energies), weight)
    return jnp.where(momenta < FAST, slow, fast), jnp.maximum(slow_share, fast_share)


@functools.partial(jax.jit, static_argnums=1)
def _slow(momenta: jax.Array, order: int) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    r"""The integral over directions done by parts, with $$v_\pm=u^2\pm2\kappa u$$, S and D the half sum and difference:

    $$\frac{2}{3\sqrt\pi}\int_0^\infty e^{-u^2}\left[6u^2S+\left(\frac{2u^3}{\kappa}+4\kappa u\right)D\right]du$$

    The spectrum may be narrow about v_- = 0, at u = 0 and u = 2κ: panels crowd there from both sides.
    Returns |v_±| and the weights of S and D, each (momenta, nodes).
    """
    kappa = jnp.clip(momenta, SLOW, FAST)[:, None]
    t, weights = (part[None, :] for part in logarithmic(order))
    pieces = []
    # Each piece: u = start + scale * t, and u - 2κ without a cancellation.
    for start, gap, scale in (
        (0.0, -2 * kappa, kappa),
        (2 * kappa, 0.0, -kappa),
        (2 * kappa, 0.0, LARGEST + 0 * kappa),
    ):
        u, beyond = start + scale * t, gap + scale * t
        weight = NORM / 4 * jnp.abs(scale) * weights * jnp.exp(-(u**2))
        odd = weight * (2 * u**3 / kappa + 4 * kappa * u)
        pieces.append((u * (u + 2 * kappa), jnp.abs(u * beyond), 6 * weight * u**2, odd))
    plus, minus, even, odd = (jnp.concatenate(part, axis=-1) for part in zip(*pieces, strict=True))
    return plus, minus, even, odd


@jax.jit
def _sum_slow(above: jax.Array, below: jax.Array, even: jax.Array, odd: jax.Array) -> tuple[jax.Array, jax.Array]:
    share = even * (above + below) / 2 + odd * (above - below) / 2
    return jnp.sum(share, axis=-1), jnp.max(jnp.abs(share[:, -1]))


@functools.partial(jax.jit, static_argnums=1)
def _fast(momenta: jax.Array, order: int) -> tuple[jax.Array, jax.Array]:
    r"""The integral over momentum transfers done at fixed energy; a fast particle gains little more than it loses:

    $$\frac{1}{3\sqrt\pi\,\kappa}\int_0^\infty v\,s(v)\left[e^{-u_+^2}-e^{-u_-^2}\right]dv,\qquad
    u_\pm=\frac{v}{\kappa+\sqrt{\kappa^2\pm v}}$$

    up to e^{-κ²}, with the difference formed before it cancels. Returns v and its weight, each (momenta, nodes).
    """
    kappa = jnp.maximum(momenta, FAST)[:, None]
    t, weights = (part[None, :] for part in logarithmic(order))
    top = LARGEST * (LARGEST + 2 * kappa)
    v = top * t
    far = jnp.sqrt(kappa**2 + v)
    possible = v < kappa**2
    near = jnp.sqrt(jnp.where(possible, kappa**2 - v, kappa**2))
    gain, loss = v / (kappa + far), v / (kappa + near)
    # u_-² - u_+²
    apart = (gain + loss) * gain * loss * 2 / (far + near)
    difference = jnp.exp(-(gain**2)) * jnp.where(possible, -jnp.expm1(-apart), 1.0)
    return v, NORM / 8 / kappa * top * weights * v * difference


@jax.jit
def _sum_fast(values: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    share = weight * values
    return jnp.sum(share, axis=-1), jnp.max(jnp.abs(share[:, -1]))
