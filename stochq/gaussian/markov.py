"""Gaussian Markov chains x ← E x + L z, many at once, as blocks that the ensemble's runner takes.

Langevin paths of a Wigner function and the noisy means of a monitored system are both such chains, with E and L
exact over any interval.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from stochq.ensemble.loop import GridArrays
from stochq.ensemble.observables import numbered
from stochq.ensemble.statistics import Statistic
from stochq.functions import digest_of_program
from stochq.gaussian.observing import Coordinates
from stochq.gaussian.phase_space import Array
from stochq.noise import Budget
from stochq.noise.counter import draw_complex_normals
from stochq.systems.linear import level_sum, multiply


class Start(NamedTuple):
    """Where paths begin: mean (2n,) and a root (2n, 2n) of the covariance."""

    mean: Array
    root: Array


class Steps(NamedTuple):
    """x ← E x + L z on each interval, (T-1, 2n, 2n) both."""

    propagator: Array
    root: Array


class PathEntropy(NamedTuple):
    """What a path's entropy production is made of: ½(|w|² − |z|²) in every step with w = R x − S z, whitened the noise
    that the reversed path would need, (T-1, 2n, 2n) both; and −ln of the density at each saved time,
    ½|W(x − m)|² + level, with W (T, 2n, 2n), m (T, 2n), level (T,)."""

    backward: Array
    shared: Array
    whitening: Array
    mean: Array
    level: Array


class Chains(NamedTuple):
    """Paths of n modes, coordinates (q1..qn, p1..pn); what a device call needs. `path_entropy` None: no entropy."""

    block: int
    grid: GridArrays
    start: Start
    steps: Steps
    path_entropy: PathEntropy | None
    key: Array
    read: Coordinates
    statistics: dict[str, Statistic]

    def with_block(self, block: int) -> "Chains":
        return self._replace(block=block)

    def unnamed(self) -> "Chains":
        return self._replace(read=dataclasses.replace(self.read, names=numbered(self.read.names)))

    def anywhere(self) -> "Chains":
        return self.with_block(1)

    @property
    def size(self) -> int:
        return self.start.mean.shape[0]

    @property
    def label(self) -> str:
        return "exact Gaussian steps"

    @property
    def names(self) -> tuple[str, ...]:
        return self.read.names + (() if self.path_entropy is None else (ENTROPY, FLUCTUATION))

    def programs(self) -> dict[str, str]:
        point = jax.ShapeDtypeStruct((self.size,), self.start.mean.dtype)
        return {"read": " ".join(digest_of_program(function, point) for function in self.read.callables)}

    def data(self, first: jax.Array, states: bool) -> dict[str, jax.Array]:
        """Values, and as states the points with, if it is followed, the entropy as last row."""
        x, entropy = self._run(first)
        values = jax.vmap(self.read)(x)
        if entropy is not None:
            values = jnp.concatenate([values, entropy[:, None], jnp.exp(-entropy)[:, None]], axis=1)
            x = jnp.concatenate([x, entropy[:, None]], axis=1)
        return {"values": values} | ({"states": x} if states else {})

    def _run(self, first: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Points (T, 2n, block) and entropies (T, block)."""
        trajectories = first.astype(jnp.uint32) + jnp.arange(self.block, dtype=jnp.uint32)
        dtype, budget = self.start.mean.dtype, Budget(complex_normals=self.size // 2)

        def draw(step: jax.Array) -> jax.Array:
            return draw_complex_normals(jnp.asarray(self.key), trajectories, step, budget, dtype)

        def visit(carry: tuple, interval: tuple) -> tuple:
            x, entropy, step = carry
            count, propagator, root, reverse = interval

            # The next step's noise is drawn in the body of the step before it: XLA would otherwise draw it anew for
            # every number that depends on it.
            def iterate(index: jax.Array, carry: tuple) -> tuple:
                x, entropy, noise = carry
                if reverse is not None:
                    entropy = entropy + _step_entropy(reverse, x, noise)
                x = multiply(propagator, x) + _spread(root, noise)
                return x, entropy, draw(step + index + 1)

            x, entropy, _ = lax.fori_loop(0, count, iterate, (x, entropy, draw(step)))
            return (x, entropy, step + count), (x, entropy)

        x = self.start.mean[:, None] + _spread(self.start.root, draw(jnp.uint32(0)))
        entropy = jnp.zeros(self.block, dtype)
        reverse = None if self.path_entropy is None else (self.path_entropy.backward, self.path_entropy.shared)
        intervals = (self.grid.steps, *self.steps, reverse)
        _, (later, entropies) = lax.scan(visit, (x, entropy, jnp.ones((), self.grid.steps.dtype)), intervals)
        path = jnp.concatenate([x[None], later])
        if self.path_entropy is None:
            return path, None
        ends = jax.vmap(_minus_log_density)(
            self.path_entropy.whitening, self.path_entropy.mean, self.path_entropy.level, path
        )
        return path, ends - ends[:1] + jnp.concatenate([entropy[None], entropies])


ENTROPY, FLUCTUATION = "entropy", "exp(-entropy)"


def _spread(root: Array, noise: jax.Array) -> jax.Array:
    """L z with z the real and then the imaginary parts of the noise, which are never joined into one array."""
    half = noise.shape[0]
    return multiply(root[:, :half], noise.real) + multiply(root[:, half:], noise.imag)


def _step_entropy(reverse: tuple, x: jax.Array, noise: jax.Array) -> jax.Array:
    backward, shared = reverse
    needed = multiply(backward, x) - _spread(shared, noise)
    return 0.5 * level_sum(needed * needed)[0] - 0.5 * level_sum(noise.real * noise.real + noise.imag * noise.imag)[0]


def _minus_log_density(whitening: Array, mean: Array, level: Array, x: jax.Array) -> jax.Array:
    white = multiply(whitening, x - mean[:, None])
    return jnp.asarray(level) + 0.5 * level_sum(white * white)[0]
