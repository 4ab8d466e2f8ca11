"""All outcomes of a few steps with their chances: averages of a scheme without sampling.

Every standard normal takes the nodes of a Gauss-Hermite rule. Three nodes have the moments of a Gaussian up to the
fifth, which is all that the leading error of a scheme of weak order 1 or 2 sees.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.noise import StepNoise, StepPairNoise
from stochq.schemes import frame_of


def _rule(dimensions, nodes):
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.array(list(itertools.product(points, repeat=dimensions))).reshape(-1, dimensions).T
    shares = np.array(list(itertools.product(weights / weights.sum(), repeat=dimensions))).reshape(-1, dimensions)
    return grid, shares.prod(axis=1)


class Tree:
    """Averages after `steps` steps of a scheme for an equation that draws real normals (and one index) per step."""

    def __init__(self, equation, psi0, duration, nodes=3):
        self.equation, self.duration, self.nodes = equation, duration, nodes
        self.frame = frame_of(equation)
        self.psi0 = np.asarray(psi0, complex)

    def average(self, scheme, steps, functions):
        """E f(ψ) at the end for every f(states (dim, n)) -> (n,), combined with the scheme's weights."""
        with jax.enable_x64(True):
            dt = jnp.asarray(self.duration / steps)
            stepper = scheme.prepare(self.frame, dt)
            start = self.frame.to_frame(jnp.asarray(self.psi0))[:, None]
            carry, chances = stepper.init(jnp.zeros(()), (start,) * len(scheme.weights)), np.ones(1)
            advance = eqx.filter_jit(stepper.step)
            for step in range(steps):
                carry, chances, noise = self._branch(scheme, stepper, step * dt, carry, chances)
                carry = advance(step * dt, carry, noise)
            closed = [
                np.asarray(self.frame.from_frame(psi)) for psi in stepper.extract(jnp.asarray(self.duration), carry)
            ]
        values = [[chances @ f(states) for f in functions] for states in closed]
        return np.array(scheme.weights) @ np.array(values)

    def _branch(self, scheme, stepper, t, carry, chances):
        """Every state as often as there are outcomes of its next step, their chances and their noise."""
        budget = scheme.budget(self.frame)
        assert budget.complex_normals == 0 and budget.uniforms <= 1
        points, weights = _rule(budget.real_normals * (2 if scheme.doubles_steps else 1), self.nodes)
        levels = self.frame.dim if budget.uniforms else 1
        points, weights = np.tile(points, levels), np.tile(weights, levels)
        chosen = np.repeat(np.arange(levels), len(weights) // levels)
        count = chances.size
        carry = jax.tree.map(lambda x: jnp.repeat(x, len(weights), axis=-1), carry)
        chances, points = np.repeat(chances, len(weights)) * np.tile(weights, count), np.tile(points, count)
        uniforms = np.zeros((0, chances.size))
        if budget.uniforms:
            # The collapse draws its index after the step of H: put the uniform in the middle of the index's share.
            before = np.abs(np.asarray(stepper.full(t, carry))) ** 2
            index = np.tile(chosen, count)
            share = np.take_along_axis(before, index[None], axis=0)
            uniforms = np.take_along_axis(np.cumsum(before, axis=0), index[None], axis=0) - share / 2
            chances = chances * share[0]
        if scheme.doubles_steps:
            half = budget.real_normals
            pairs = jnp.zeros((0, chances.size), complex)
            noise = StepPairNoise(jnp.asarray(points[:half] + 1j * points[half:]), pairs.conj(), pairs, pairs)
        else:
            noise = StepNoise(*map(jnp.asarray, (points, np.zeros((0, chances.size), complex), uniforms)))
        return carry, chances, noise
