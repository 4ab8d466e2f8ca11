"""Slater determinants under a shared random potential, as blocks that the ensemble's runner takes.

One realisation of the noise moves all N orbitals of a trajectory. Their energy is a sum over orbitals, whatever the
exchange between them, so that no determinant is ever evaluated.
"""

from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.ensemble.loop import GridArrays
from stochq.ensemble.observables import numbered
from stochq.ensemble.statistics import Statistic
from stochq.module import Module
from stochq.noise import Budget
from stochq.noise.coloured import Increments
from stochq.noise.counter import draw_complex_normals
from stochq.systems.linear import MATMUL_PRECISION, multiply


@final
class WhiteIncrements(Module):
    """Integrals of white noise over steps: √dt times standard normals; nothing is remembered."""

    spread: jax.Array | float
    memory: int = eqx.field(static=True, default=0)
    draws: int = eqx.field(static=True, default=1)

    def start(self, normals: jax.Array) -> jax.Array:
        return normals

    def step(self, memory: jax.Array, normals: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.spread * normals, memory


class OneBody(NamedTuple):
    """What is seen of a determinant: Σ over orbitals n and waves k of weights (O, N, M) |c_nk|², plus start (O,).

    Weights are relative to the wave from which an orbital starts: then rounding of its norm does not count.
    """

    weights: jax.Array | np.ndarray
    start: jax.Array | np.ndarray

    def __call__(self, orbitals: jax.Array) -> jax.Array:
        """(O, block) from orbitals (block, N, M)."""
        populations = orbitals.real * orbitals.real + orbitals.imag * orbitals.imag
        return jnp.einsum("onm,bnm->ob", self.weights, populations, precision=MATMUL_PRECISION) + self.start[:, None]


class Determinants(NamedTuple):
    """Orbitals as amplitudes of plane waves. occupied: where they start (N,), in the order of the transform.

    half: phases exp(−iεdt/2ħ) (M,). pattern: waves of the potential at the points (M, 2 waves).
    """

    block: int
    grid: GridArrays
    occupied: jax.Array | np.ndarray
    half: jax.Array | np.ndarray
    pattern: jax.Array | np.ndarray
    increments: WhiteIncrements | Increments
    key: jax.Array | np.ndarray
    names: tuple[str, ...]
    read: OneBody
    statistics: dict[str, Statistic]

    def with_block(self, block: int) -> "Determinants":
        return self._replace(block=block)

    def unnamed(self) -> "Determinants":
        return self._replace(names=numbered(self.names))

    def anywhere(self) -> "Determinants":
        return self.with_block(1)

    @property
    def size(self) -> int:
        return self.occupied.shape[0] * self.half.shape[0]

    @property
    def label(self) -> str:
        return "Slater determinants, split steps"

    def programs(self) -> dict[str, str]:
        return {}

    def data(self, first: jax.Array, states: bool) -> dict[str, jax.Array]:
        """Values, and as states the orbitals' amplitudes, all of one orbital after the other."""
        trajectories = first.astype(jnp.uint32) + jnp.arange(self.block, dtype=jnp.uint32)
        dtype, budget = self.pattern.dtype, Budget(complex_normals=self.pattern.shape[1] // 2)
        full, recalled, draws = self.half * self.half, self.increments.memory, self.increments.draws

        def draw(index: jax.Array) -> jax.Array:
            noise = draw_complex_normals(jnp.asarray(self.key), trajectories, index, budget, dtype)
            return jnp.concatenate([noise.real, noise.imag])

        def draw_step(step: jax.Array) -> jax.Array:
            first = step * np.uint32(draws) + np.uint32(recalled)
            return draw(first) if draws == 1 else jnp.stack([draw(first + np.uint32(i)) for i in range(draws)])

        def observe(orbitals: jax.Array) -> dict[str, jax.Array]:
            seen = {"values": self.read(orbitals)}
            if states:
                closed = orbitals * self.half.conj()[None, None, :]
                seen["states"] = closed.reshape(self.block, -1).T
            return seen

        def iterate(index: jax.Array, carry: tuple) -> tuple:
            orbitals, memory, step, noise = carry
            integrals, memory = self.increments.step(memory, noise)
            kicked = jnp.fft.ifft(orbitals) * self._kick(integrals)
            # The next step's noise, drawn here so that it is drawn once and not for every number it enters.
            return jnp.fft.fft(kicked) * full[None, None, :], memory, step + 1, draw_step(step + 1)

        def visit(carry: tuple, count: jax.Array) -> tuple:
            carry = lax.fori_loop(0, count, iterate, carry)
            return carry, observe(carry[0])

        shape = (recalled, 2 * budget.complex_normals, self.block)
        normals = [draw(jnp.uint32(index)) for index in range(recalled)]
        memory = self.increments.start(jnp.stack(normals) if normals else jnp.zeros(shape, dtype))
        orbitals, step = self._start(), jnp.uint32(0)
        _, later = lax.scan(visit, (orbitals, memory, step, draw_step(step)), jnp.asarray(self.grid.steps))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), observe(orbitals), later)

    def _kick(self, integrals: jax.Array) -> jax.Array:
        """exp(−iφ) at the points of every trajectory, (block, 1, M)."""
        angles = multiply(self.pattern, integrals).T[:, None, :]
        return lax.complex(jnp.cos(angles), -jnp.sin(angles))

    def _start(self) -> jax.Array:
        """Plane waves after half a step of the kinetic energy, (block, N, M)."""
        waves = (self.occupied[:, None] == jnp.arange(self.half.shape[0])[None, :]) * self.half[None, :]
        return jnp.broadcast_to(waves[None], (self.block, *waves.shape))
