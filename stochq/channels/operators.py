"""General jump operators, held as one array: a dense stack or bands.

The three noise laws are one law with other operators: complex noise of L is real noise of L/√2 and iL/√2, and
unitary noise of a Hermitian L is real noise of −iL up to a phase of ψ. The flows use this.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import is_concrete
from stochq.channels.channel import Channel, Flow, MeanFlow, NoiseLaw, populations
from stochq.channels.kraus import Terms, draw_outcome
from stochq.channels.kraus_terms import (
    mean_of_outcomes,
)
from stochq.channels.platen import Action, platen_step
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import COMPLEX, REAL, Points
from stochq.systems.linear import inner, level_sum, times_real

_VARIANTS = {"real": (None,), "complex": (np.sqrt(0.5) + 0j, 1j * np.sqrt(0.5)), "unitary": (-1j,)}


class Operators(Channel):
    """A family of any L_k. Abstract: a subclass gives one operator's action and the stack of its parameters."""

    @property
    def count(self) -> int:
        """Number of operators K."""
        raise NotImplementedError

    def stack(self) -> Any:
        """The parameters of all operators, leading axis K."""
        raise NotImplementedError

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        """L ψ for one operator, (dim, *columns)."""
        raise NotImplementedError

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        """L† ψ for one operator, (dim, *columns)."""
        raise NotImplementedError

    def apply_all(self, psi: jax.Array) -> jax.Array:
        """L_k ψ, (K, dim, *columns)."""
        if self.count == 1:
            return self.apply_one(self.stack()[0], psi)[None]
        return jax.vmap(self.apply_one, in_axes=(0, None))(self.stack(), psi)

    def apply_square(self, psi: jax.Array, images: jax.Array) -> jax.Array:
        """Σ_k L_k†L_k ψ given images = L_k ψ, (dim, *columns)."""
        raise NotImplementedError

    def unsupported(self, law: NoiseLaw) -> str:
        if law != "unitary" or not is_concrete(self.stack()) or _all_hermitian(self.operators()):
            return ""
        return "noise: 'unitary' needs Hermitian jump operators; at least one L_k differs from L_k†. Use 'real'."

    def budget(self, law: NoiseLaw) -> Budget:
        return Budget(pairs=self.count) if law == "complex" else Budget(singles=self.count)

    def drift(self, t: jax.Array, psi: jax.Array, law: NoiseLaw) -> jax.Array:
        images = self.apply_all(psi)
        square = self.apply_square(psi, images)
        if law == "unitary":
            return -0.5 * square
        means = _means(psi, images)
        loss = times_real(np.float32(0.5), square) + times_real(0.5 * level_sum(populations(means)), psi)
        return _weighted(means.conj(), images) - loss

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        images = self.apply_all(psi)
        normals = noise.pairs * np.sqrt(0.5).astype(psi.real.dtype) if law == "complex" else noise.singles
        increments = (normals * jnp.sqrt(dt)).astype(psi.dtype)
        total = _weighted(increments, images)
        if law == "unitary":
            return -1j * total
        return total - level_sum(increments * _means(psi, images)) * psi

    def actions(self, parameters: jax.Array, factor: complex | None) -> tuple[Action, Action]:
        """ψ ↦ cLψ and ψ ↦ c*L†ψ for one operator; None stands for c = 1."""
        conjugate = None if factor is None else np.conj(factor)
        return (
            lambda psi: _times(factor, self.apply_one(parameters, psi)),
            lambda psi: _times(conjugate, self.apply_one_adjoint(parameters, psi)),
        )

    def flow(self, law: NoiseLaw) -> Flow:
        return PlatenFlow(self, law)

    def discrete_flow(self, law: NoiseLaw) -> Flow:
        return KrausFlow(self, law)

    @property
    def kraus_is_linear(self) -> bool:
        """Whether the K_z of an operator keep the trace in the mean, which is then linear in the density matrix."""
        raise NotImplementedError

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> Any:
        """What `kraus_images` needs of all operators, (K, ...). stack: their parameters; square: E z² = 1, not 0."""
        raise NotImplementedError

    def kraus_images(self, terms: Any, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        """The three parts of K_zψ for one operator."""
        raise NotImplementedError

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        """The three parts of one operator's K_z as matrices, one below the other, (3 dim, dim)."""
        raise NotImplementedError


@final
class PlatenFlow(Flow):
    """One operator after another by Platen's weak-2 step, in order or (reverse) in the opposite order."""

    channel: Operators

    @property
    def budget(self) -> Budget:
        return self.channel.budget(self.law)

    @property
    def is_symmetric(self) -> bool:
        return self.channel.count * len(_VARIANTS[self.law]) == 1

    @property
    def is_differentiable(self) -> bool:
        return True

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        factors, channel = _VARIANTS[self.law], self.channel
        draws = (noise.pairs.real, noise.pairs.imag) if self.law == "complex" else (noise.singles,)

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            parameters, normals = operator
            variants = list(zip(factors, normals, strict=True))
            for factor, normal in reversed(variants) if reverse else variants:
                psi = platen_step(*channel.actions(parameters, factor), dt, psi, normal)
            return psi, None

        stack = jnp.asarray(channel.stack())
        if channel.count == 1:
            return visit(psi, (stack[0], tuple(draw[0] for draw in draws)))[0]
        return lax.scan(visit, psi, (stack, draws), reverse=reverse)[0]


@final
class KrausFlow(Flow):
    """One operator after another by a Kraus map whose outcome is drawn, in order or (reverse) in the opposite order."""

    channel: Operators

    @property
    def budget(self) -> Budget:
        return Budget(words=self.channel.count)

    @property
    def is_symmetric(self) -> bool:
        return self.channel.count == 1

    @property
    def mean_limit(self) -> float:
        return np.inf if self.channel.kraus_is_linear else 0.0

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow:
        square = _record(self.law)[1]
        terms = np.asarray(_compiled_terms(self, jnp.asarray(dt)))
        maps = [mean_of_outcomes(self.channel.kraus_rows(one, square), square) for one in terms]

        def mapped(rho: np.ndarray) -> np.ndarray:
            for one in reversed(maps) if reverse else maps:
                rho = one(rho)
            return rho

        return mapped

    def terms(self, dt: jax.Array) -> Any:
        stack = jnp.asarray(self.channel.stack())
        return self.channel.kraus_terms(-1j * stack if self.law == "unitary" else stack, dt, _record(self.law)[1])

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        points, square = _record(self.law)

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            own, words = operator
            return draw_outcome(self.channel.kraus_images(own, dt, psi, square), points, words), None

        words = jnp.swapaxes(noise.words, 0, 1)
        if self.channel.count == 1:
            return visit(psi, (terms[0], words[0]))[0]
        return lax.scan(visit, psi, (terms, words), reverse=reverse)[0]


@eqx.filter_jit
def _compiled_terms(flow: KrausFlow, dt: jax.Array) -> Any:
    """The search for a step asks for them several times, and operation by operation that takes longer than a run."""
    return flow.terms(dt)


def _record(law: NoiseLaw) -> tuple[Points, bool]:
    """The values z of one operator's record, and whether E z² = 1, not 0."""
    return (COMPLEX, False) if law == "complex" else (REAL, True)


def _times(factor: complex | None, psi: jax.Array) -> jax.Array:
    return psi if factor is None else factor * psi


def _means(psi: jax.Array, images: jax.Array) -> jax.Array:
    """⟨L_k⟩, (K, *columns), from images = L_k ψ."""
    return jax.vmap(inner, in_axes=(None, 0))(psi, images)[:, 0]


def _weighted(weights: jax.Array, images: jax.Array) -> jax.Array:
    """Σ_k w_k L_k ψ, (dim, *columns)."""
    return level_sum(weights[:, None] * images)[0]


def _all_hermitian(operators: np.ndarray) -> bool:
    scale = max(float(np.abs(operators).max()), 1e-300)
    return bool(np.abs(operators - operators.conj().transpose(0, 2, 1)).max() <= 1e-10 * scale)
