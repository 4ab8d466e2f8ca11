"""Occupations of momentum: what a gas averages eq. 13 over. No momentum is blocked, as the paper shows (eqs. 9-10)."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from stochq.arrays import Number
from stochq.bounds.quadrature import logarithmic
from stochq.constants import BOLTZMANN, HBAR
from stochq.module import Module

# Below this temperature in units of the Fermi temperature the step of the occupation is a step to rounding.
DEGENERATE = 1e-9
STEPS = np.array([0.0, 1, 2, 4, 8, 16, 40])
# The heating varies slowly with the momentum: it takes fewer panels than the integral over transfers.
PANELS = 10


class MaxwellGas(Module):
    """Particles of a dilute gas at a temperature in kelvin.

    >>> MaxwellGas(300.0).temperature
    300.0
    """

    temperature: Number

    def check(self) -> None:
        """Raises: ValueError for a temperature that is not positive."""
        _check_positive("temperature", self.temperature, "kelvin")

    def momenta(self, mass: Number, order: int) -> tuple[jax.Array, jax.Array]:
        """Wave numbers in 1/m and their weights, which add up to one."""
        thermal = jnp.sqrt(mass * BOLTZMANN * self.temperature) / HBAR
        t, weights = logarithmic(order, PANELS)
        y = 9.0 * t
        density = weights * 9 * y**2 * np.exp(-(y**2) / 2) * np.sqrt(2 / np.pi)
        return thermal * y, jnp.asarray(density / density.sum())


class FermiGas(Module):
    r"""Fermions of a number density in 1/m³, at a temperature in kelvin (0: degenerate), `spins` per momentum.

    $$\mathcal{N}(k)\propto\frac{1}{e^{(\hbar^2k^2/2m-\mu)/k_BT}+1},\qquad k_F=(6\pi^2 n/g)^{1/3}$$

    >>> FermiGas(1e28).spins
    2
    """

    density: Number
    temperature: Number = 0.0
    spins: int = eqx.field(default=2, static=True)

    def fermi_momentum(self) -> jax.Array:
        """k_F in 1/m."""
        return jnp.cbrt(6 * np.pi**2 * self.density / self.spins)

    def check(self) -> None:
        """Raises: ValueError for a density or spins that are not positive, or a negative temperature."""
        _check_positive("density", self.density, "particles per cubic metre")
        _check_positive("spins", self.spins, "states per momentum")
        if not isinstance(self.temperature, Tracer) and not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature: expected kelvin, not negative; got {self.temperature!r}.")

    def momenta(self, mass: Number, order: int) -> tuple[jax.Array, jax.Array]:
        """Wave numbers in 1/m and their weights, which add up to one."""
        fermi = self.fermi_momentum()
        degree = BOLTZMANN * self.temperature / (HBAR**2 * fermi**2 / (2 * mass))
        y, weights = _degenerate(order) if self._is_cold(degree) else _warm(degree, order)
        return fermi * y, weights / jnp.sum(weights)

    def _is_cold(self, degree: Number) -> bool:
        # A temperature of which a derivative is taken is not zero: there the occupation has none.
        if isinstance(self.temperature, Tracer):
            return False
        return bool(self.temperature == 0) or (not isinstance(degree, Tracer) and float(degree) < DEGENERATE)


def _degenerate(order: int) -> tuple[jax.Array, jax.Array]:
    t, weights = logarithmic(order, PANELS)
    return jnp.asarray(t), jnp.asarray(3 * weights * t**2)


@functools.partial(jax.jit, static_argnums=1)
def _warm(degree: Number, order: int) -> tuple[jax.Array, jax.Array]:
    """Momenta in units of k_F, on panels that crowd at the step of the occupation, `degree` wide."""
    potential = _chemical_potential(degree)
    energies = potential + degree * np.concatenate([-STEPS[:0:-1], STEPS])
    # Where the gas is warm and has no step, the panels are equal in the logarithm instead, down to slow particles.
    top = jnp.sqrt(jnp.maximum(energies[-1], 0.0))
    floor = top * np.exp(-1.5 * np.arange(len(STEPS) * 2 - 2, -1, -1))
    inner = jnp.maximum(jnp.sqrt(jnp.maximum(energies, 1e-30)), floor)
    t, weights = logarithmic(order, PANELS)
    nodes, gauss = (part[None, :] for part in np.polynomial.legendre.leggauss(order))
    widths = jnp.diff(inner)[:, None]
    y = jnp.concatenate([inner[0] * t, (inner[:-1][:, None] + widths * (nodes + 1) / 2).ravel()])
    measure = jnp.concatenate([inner[0] * weights, (widths * gauss / 2).ravel()])
    return y, measure * y**2 * jax.nn.sigmoid((potential - y**2) / degree)


@jax.jit
def _chemical_potential(degree: Number) -> jax.Array:
    """μ/E_F, from ∫ y² N(y) dy = 1/3. A bisection finds it, one Newton step carries its derivative."""
    fixed = jax.lax.stop_gradient(degree)

    def halve(_: int, bracket: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bracket
        middle = (low + high) / 2
        enough = _filling(middle, fixed) > 1 / 3
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    start = (-60 * fixed - 3 * fixed * jnp.abs(jnp.log(fixed)), 1 + fixed)
    low, high = jax.lax.fori_loop(0, 70, halve, start)
    found = jax.lax.stop_gradient((low + high) / 2)
    slope = jax.lax.stop_gradient(jax.grad(_filling)(found, fixed))
    return found - (_filling(found, degree) - 1 / 3) / slope


def _filling(potential: Number, degree: Number) -> jax.Array:
    nodes, gauss = (part[None, :] for part in np.polynomial.legendre.leggauss(40))
    edges = jnp.concatenate(
        [jnp.zeros(1), jnp.maximum(potential, 0.0) + degree * STEPS, potential - degree * STEPS[1:]]
    )
    edges = jnp.sort(jnp.sqrt(jnp.maximum(edges, 0.0) + 1e-30))
    widths = jnp.diff(edges)[:, None]
    y = edges[:-1, None] + widths * (nodes + 1) / 2
    return jnp.sum(widths * gauss / 2 * y**2 * jax.nn.sigmoid((potential - y**2) / degree))


def _check_positive(name: str, value: Number, unit: str) -> None:
    if not isinstance(value, Tracer) and not (value > 0 and np.isfinite(value)):
        raise ValueError(f"{name}: expected a positive number, in {unit}; got {value!r}.")
