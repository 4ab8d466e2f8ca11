"""Gaussian states: a mean and a covariance."""

from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from stochq.arrays import ArrayLike, Number, as_real, is_concrete
from stochq.gaussian.checks import check_covariance, check_number, is_below_bound, smallest_bound
from stochq.gaussian.phase_space import Array, Real, array_namespace, built, symplectic_eigenvalues
from stochq.module import Module
from stochq.systems.checks import check_finite


class State(Module):
    r"""A Gaussian Wigner function (or many of them, on leading axes) of n modes.

    $$W(x)\propto e^{-\frac12(x-\bar x)^TV^{-1}(x-\bar x)},\qquad
      V_{jk}=\tfrac12\langle\{x_j-\bar x_j,\,x_k-\bar x_k\}\rangle$$

    The covariance may lie below the uncertainty bound of some ħ: `check_physical(hbar)` asks.

    Args:
        mean: (..., 2n) in the order (q1..qn, p1..pn).
        covariance: (..., 2n, 2n), ħ/2 times the unit matrix in the vacuum of ω = m = 1.

    Raises:
        ValueError: for shapes that do not match, a covariance that is not symmetric or not positive.

    >>> State([0.0, 0.0], [[0.5, 0.0], [0.0, 0.5]]).is_physical(hbar=1.0)
    True
    """

    mean: Float[Array, "*batch 2n"] = eqx.field(converter=partial(as_real, name="mean"))
    covariance: Float[Array, "*batch 2n 2n"] = eqx.field(converter=partial(as_real, name="covariance"))

    def __check_init__(self) -> None:
        shape, inner = np.shape(self.covariance), np.shape(self.mean)
        if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] % 2 or shape[-1] == 0:
            raise ValueError(f"covariance: expected shape (..., 2n, 2n) for n modes; got {shape}.")
        if inner != shape[:-1]:
            raise ValueError(f"mean: expected shape {shape[:-1]} to go with covariance {shape}; got {inner}.")
        check_finite("mean", self.mean)
        check_covariance(self.covariance)

    @property
    def modes(self) -> int:
        """The number of modes n."""
        return self.covariance.shape[-1] // 2

    def __getitem__(self, index: Any) -> "State":
        """The states at an index of the leading axes, such as a time."""
        if self.mean.ndim == 1:
            raise ValueError("state: expected leading axes to index; this is one state. Use .mean and .covariance.")
        if not isinstance(index, tuple):
            index = (index,)
        index = (*index, Ellipsis)
        return State(self.mean[(*index, slice(None))], self.covariance[(*index, slice(None), slice(None))])

    def displaced(self, shift: ArrayLike) -> "State":
        """The state moved by `shift` (2n,) in phase space."""
        return State(self.mean + _row(as_real(shift), self.mean), self.covariance)

    def symplectic_eigenvalues(self) -> Float[Array, "*batch n"]:
        """The n symplectic eigenvalues, ascending: ħ(n̄ + ½) of the normal modes."""
        return symplectic_eigenvalues(self.covariance)

    def is_physical(self, hbar: Number = 1.0) -> bool | Bool[np.ndarray, "*batch"]:
        """Whether V + (iħ/2)Ω ≥ 0 up to rounding; an array where the state has leading axes."""
        physical = ~is_below_bound(self.covariance, hbar)
        return physical if physical.ndim else bool(physical)

    def check_physical(self, hbar: Number = 1.0) -> None:
        """ValueError for a state below the uncertainty bound, saying by how much."""
        if not is_concrete(self) or np.all(self.is_physical(hbar)):
            return
        least = float(np.min(self.symplectic_eigenvalues()))
        gap = float(np.min(smallest_bound(self.covariance, hbar)))
        raise ValueError(
            f"covariance: expected V + (iħ/2)Ω ≥ 0 with ħ = {hbar:g}; got a symplectic eigenvalue {least:.9g}, "
            f"which is {hbar / 2 - least:.3g} below ħ/2, and V + (iħ/2)Ω with eigenvalue {gap:.3g}. They are ħ/2 "
            "in the vacuum (some papers print 1): divide by 2, or use hbar=0 for classical noise."
        )


def vacuum(modes: int = 1, *, mass: Real = 1.0, frequency: Real = 1.0, hbar: Real = 1.0) -> State:
    """The ground state of equal oscillators.

    Args:
        modes: how many.
        mass: m of every mode.
        frequency: ω of every mode in radians per time.
        hbar: ħ, in the units of all others.

    >>> vacuum().covariance.tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    return thermal(np.zeros(modes), mass=mass, frequency=frequency, hbar=hbar)


def thermal(occupation: ArrayLike, *, mass: Real = 1.0, frequency: Real = 1.0, hbar: Real = 1.0) -> State:
    r"""Oscillators in thermal states, $V=\hbar(\bar n+\frac12)\,\mathrm{diag}(1/m\omega,\ m\omega)$.

    Args:
        occupation: mean excitations n̄, a number or one per mode (n,).
        mass: m, of all modes or per mode (n,).
        frequency: ω in radians per time, of all modes or per mode (n,).
        hbar: ħ, in the units of all others.

    Raises:
        ValueError: for an occupation below 0.

    >>> thermal(2.0).covariance.tolist()
    [[2.5, 0.0], [0.0, 2.5]]
    """
    check_number("occupation", occupation, least=0.0)
    numbers = array_namespace(occupation, mass, frequency, hbar)
    occupations = numbers.atleast_1d(as_real(occupation))
    scale = numbers.broadcast_to(as_real(mass) * as_real(frequency), occupations.shape)
    variance = hbar * (occupations + 0.5)
    diagonal = numbers.concatenate([variance / scale, variance * scale])
    return State(numbers.zeros(diagonal.shape), numbers.diag(diagonal))


def squeezed(
    squeezing: Real, angle: Real = 0.0, *, occupation: Real = 0.0, mass: Real = 1.0, frequency: Real = 1.0,
    hbar: Real = 1.0,
) -> State:  # fmt: skip
    r"""One squeezed thermal mode, in the units q√(mω), p/√(mω) of its oscillator

    $$V=\hbar(\bar n+\tfrac12)\,R_\phi\,\mathrm{diag}(e^{-2r},e^{2r})\,R_\phi^T$$

    Args:
        squeezing: r, a number.
        angle: φ between the narrow axis and q, towards p, in radians.
        occupation: mean excitations n̄ before squeezing.
        mass: m.
        frequency: ω in radians per time.
        hbar: ħ, in the units of all others.

    Raises:
        ValueError: for an occupation below 0.

    >>> squeezed(0.5).covariance.diagonal().round(4).tolist()
    [0.1839, 1.3591]
    """
    check_number("occupation", occupation, least=0.0)
    numbers = array_namespace(squeezing, angle, occupation, mass, frequency, hbar)
    variance, scale = hbar * (occupation + 0.5), numbers.sqrt(mass * frequency)
    narrow, wide = numbers.exp(-2 * squeezing), numbers.exp(2 * squeezing)
    cosine, sine = numbers.cos(angle), numbers.sin(angle)
    across = (narrow - wide) * cosine * sine * variance
    covariance = built(
        [
            [variance * (narrow * cosine**2 + wide * sine**2) / scale**2, across],
            [across, variance * (narrow * sine**2 + wide * cosine**2) * scale**2],
        ]
    )
    return State(numbers.zeros(2), covariance)


def displaced(
    mean: ArrayLike, *, occupation: Real = 0.0, mass: Real = 1.0, frequency: Real = 1.0, hbar: Real = 1.0
) -> State:
    """Thermal (by default coherent) states displaced in phase space.

    Args:
        mean: (2n,) in the order (q1..qn, p1..pn).
        occupation: mean excitations of every mode.
        mass: m of every mode.
        frequency: ω of every mode in radians per time.
        hbar: ħ, in the units of all others.

    >>> displaced([1.0, 0.0]).mean.tolist()
    [1.0, 0.0]
    """
    mean = as_real(mean)
    modes = np.shape(mean)[-1] // 2
    occupations = np.full(modes, occupation) if is_concrete(occupation) else jnp.full(modes, occupation)
    return thermal(occupations, mass=mass, frequency=frequency, hbar=hbar).displaced(mean)


def _row(vector: Array, like: Array) -> Array:
    if np.shape(vector) != like.shape[-1:]:
        raise ValueError(f"shift: expected shape {like.shape[-1:]}, (q1..qn, p1..pn); got {np.shape(vector)}.")
    return vector.reshape((1,) * (like.ndim - 1) + vector.shape)
