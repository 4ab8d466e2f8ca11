"""White normals of a run turned into the normals of a coloured process, step by step."""

from typing import final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Number
from stochq.module import Module
from stochq.noise.coloured import Increments
from stochq.noise.counter import STATE_SLOT, Budget, StepNoise, StepPairNoise, slot_words
from stochq.noise.normals import normal_pair


@final
class Colouring(Module):
    r"""The chain of integrals as a filter of the single normals: $z_n \to I_n/\sqrt h$.

    Whatever multiplies normals by √h then holds the exact integrals, and two steps join into one as white ones do.
    increments: of steps of the given length h.
    """

    increments: Increments
    length: Number

    def budget(self, budget: Budget) -> Budget:
        """What is drawn so that `budget` is there after the filter."""
        return budget._replace(real_normals=self.increments.draws * budget.real_normals)

    def start_slots(self, processes: int) -> int:
        """Slots at the end of the counter, before that of the initial state, that the first memory takes."""
        return self.increments.memory * processes

    def start(self, key: jax.Array, trajectories: jax.Array, processes: int, dtype: np.dtype) -> jax.Array:
        """The stationary memory (memory, processes, trajectories): steps draw from the other end of the counter."""
        count = self.start_slots(processes)
        first = jnp.asarray(np.uint32(STATE_SLOT - count))
        normals, _ = normal_pair(*slot_words(key, trajectories, first, count), dtype)
        return self.increments.start(normals.reshape(self.increments.memory, processes, -1))

    def step(self, memory: jax.Array, noise: StepNoise) -> tuple[StepNoise, jax.Array]:
        """The noise of one step, and the memory after it."""
        normals, draws = noise.real_normals, self.increments.draws
        if draws > 1:
            normals = normals.reshape(draws, -1, normals.shape[-1])
        integrals, memory = self.increments.step(memory, normals)
        return noise._replace(real_normals=integrals * jax.lax.rsqrt(jnp.asarray(self.length))), memory

    def pair(self, memory: jax.Array, noise: StepPairNoise) -> tuple[StepPairNoise, jax.Array]:
        """The noise of two steps, and the memory after them."""
        even, memory = self.step(memory, noise.even())
        odd, memory = self.step(memory, noise.odd())
        return noise._replace(real_normals=jax.lax.complex(even.real_normals, odd.real_normals)), memory
