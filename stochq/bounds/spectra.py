"""Spectra of the collapse noise, γ(ω)/γ(0): how strong it is at the angular frequency ω, in rad/s, relative to ω = 0.

Any callable does that takes an array of frequencies and gives an array: even in ω, one at ω = 0, nowhere negative. It
is asked for ω >= 0 only. Derivatives need one that is written with jax.numpy; their parameters are then those of the
callable, if it is an equinox module.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from stochq.arrays import Array, Number
from stochq.module import Module

Spectrum = Callable[[Array], Array]


class Lorentzian(Module):
    r"""Noise with correlations that die as $e^{-\Omega|t|}$.

    $$\gamma(\omega)/\gamma(0) = \frac{1}{1+(\omega/\Omega)^2}$$

    >>> Lorentzian(2.0)(2.0)
    0.5
    """

    cutoff: Number

    def __call__(self, frequency: Array) -> Array:
        return 1 / (1 + (frequency / self.cutoff) ** 2)


class Exponential(Module):
    r"""$$\gamma(\omega)/\gamma(0) = e^{-|\omega|/\Omega}$$.

    >>> float(Exponential(2.0)(0.0))
    1.0
    """

    cutoff: Number

    def __call__(self, frequency: Array) -> jax.Array:
        return jnp.exp(-jnp.abs(frequency) / self.cutoff)


class GaussianCutoff(Module):
    r"""$$\gamma(\omega)/\gamma(0) = e^{-\omega^2/2\Omega^2}$$.

    >>> float(GaussianCutoff(2.0)(0.0))
    1.0
    """

    cutoff: Number

    def __call__(self, frequency: Array) -> jax.Array:
        return jnp.exp(-((frequency / self.cutoff) ** 2) / 2)


NAMED: dict[str, type[Lorentzian] | type[Exponential] | type[GaussianCutoff]] = {
    "lorentzian": Lorentzian,
    "exponential": Exponential,
    "gaussian": GaussianCutoff,
}


def check_spectrum(spectrum: Spectrum | None) -> None:
    """Raises: ValueError for a spectrum that is not one at ω = 0, or whose cut-off is not positive."""
    if spectrum is None:
        return
    if not callable(spectrum):
        raise ValueError(f"spectrum: expected a callable of ω in rad/s, or None for white noise; got {spectrum!r}.")
    if isinstance(spectrum, Lorentzian | Exponential | GaussianCutoff) and not isinstance(spectrum.cutoff, Tracer):
        if np.ndim(spectrum.cutoff) or not 0 < float(spectrum.cutoff) < np.inf:
            raise ValueError(f"spectrum: expected a positive cut-off in rad/s; got {spectrum.cutoff!r}.")
    start = spectrum(jnp.zeros(()))
    if not isinstance(start, Tracer) and not np.isclose(float(start), 1.0, rtol=1e-6):
        raise ValueError(
            f"spectrum: expected γ(ω)/γ(0), which is 1 at ω = 0; got {float(start):.6g} there. Divide by its value."
        )


def evaluate(spectrum: Spectrum, frequencies: Array) -> jax.Array:
    """The spectrum at frequencies of any shape. Raises: ValueError where it is negative or not a number."""
    values = jnp.asarray(spectrum(frequencies))
    if isinstance(values, Tracer):
        return values
    if values.shape != frequencies.shape:
        raise ValueError(f"spectrum: expected an array of shape {frequencies.shape} for one; got {values.shape}.")
    wrong = ~(np.asarray(values) >= 0) | np.isinf(values)
    if wrong.any():
        where, value = np.asarray(frequencies)[wrong].flat[0], np.asarray(values)[wrong].flat[0]
        raise ValueError(
            f"spectrum: expected finite numbers that are not negative; got {value:.6g} at {where:.6g} rad/s."
        )
    return values
