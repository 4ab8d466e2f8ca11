"""General jump operators, held as one array: a dense stack or bands (PHYSICS.md §1, family 3).

The three noise laws are one law with other operators: complex noise of L is real noise of L/√2 and iL/√2, and
unitary noise of a Hermitian L is real noise of −iL up to a phase of ψ. The flows use this.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import as_matrix, is_concrete
from stochq.channels.channel import Basis, Channel, Given, MeanFlow, NoiseLaw, populations
from stochq.channels.kraus import Terms, draw_outcome
from stochq.channels.kraus_terms import (
    band_images,
    band_terms,
    bands_as_rows,
    dense_images,
    dense_terms,
    mean_of_outcomes,
    taylor_images,
)
from stochq.channels.platen import Action, platen_step
from stochq.noise import Budget, StepNoise
from stochq.noise.discrete import COMPLEX, REAL, Points
from stochq.systems.linear import apply_bands, apply_matrix, inner, level_sum, scale, shift, times_real

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

    def flow_draws_index(self, law: NoiseLaw) -> bool:
        return False

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

    def _actions(self, parameters: jax.Array, factor: complex | None) -> tuple[Action, Action]:
        """ψ ↦ cLψ and ψ ↦ c*L†ψ for one operator; None stands for c = 1."""
        conjugate = None if factor is None else np.conj(factor)
        return (
            lambda psi: _times(factor, self.apply_one(parameters, psi)),
            lambda psi: _times(conjugate, self.apply_one_adjoint(parameters, psi)),
        )

    def flow_budget(self, law: NoiseLaw) -> Budget:
        return self.budget(law)

    def flow_is_symmetric(self, law: NoiseLaw) -> bool:
        return self.count * len(_VARIANTS[law]) == 1

    def flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool
    ) -> jax.Array:
        """One operator after another by Platen's weak-2 step, in order or (reverse) in the opposite order."""
        factors = _VARIANTS[law]
        draws = (noise.pairs.real, noise.pairs.imag) if law == "complex" else (noise.singles,)

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            parameters, normals = operator
            variants = list(zip(factors, normals, strict=True))
            for factor, normal in reversed(variants) if reverse else variants:
                psi = platen_step(*self._actions(parameters, factor), dt, psi, normal)
            return psi, None

        stack = jnp.asarray(self.stack())
        if self.count == 1:
            return visit(psi, (stack[0], tuple(draw[0] for draw in draws)))[0]
        return lax.scan(visit, psi, (stack, draws), reverse=reverse)[0]

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> Any:
        """What `kraus_images` needs of all operators, (K, ...). stack: their parameters; square: E z² = 1, not 0."""
        raise NotImplementedError

    def kraus_images(self, terms: Any, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        """The three parts of K_zψ for one operator."""
        raise NotImplementedError

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        """The three parts of one operator's K_z as matrices, one below the other, (3 dim, dim)."""
        raise NotImplementedError

    def discrete_mean_flow(self, dt: float, law: NoiseLaw, reverse: bool) -> MeanFlow:
        square = _record(law)[1]
        terms = np.asarray(_compiled_terms(self, jnp.asarray(dt), law))
        maps = [mean_of_outcomes(self.kraus_rows(one, square), square) for one in terms]

        def mapped(rho: np.ndarray) -> np.ndarray:
            for one in reversed(maps) if reverse else maps:
                rho = one(rho)
            return rho

        return mapped

    def discrete_flow_budget(self, law: NoiseLaw) -> Budget:
        return Budget(words=self.count)

    def discrete_flow_is_symmetric(self, law: NoiseLaw) -> bool:
        return self.count == 1

    @property
    def discrete_is_sooner(self) -> bool:
        return True

    def discrete_terms(self, dt: jax.Array, law: NoiseLaw) -> Any:
        stack = jnp.asarray(self.stack())
        return self.kraus_terms(-1j * stack if law == "unitary" else stack, dt, _record(law)[1])

    def discrete_flow(
        self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, law: NoiseLaw, reverse: bool, terms: Any
    ) -> jax.Array:
        """One operator after another by a Kraus map whose outcome is drawn, in order or in the opposite order."""
        points, square = _record(law)

        def visit(psi: jax.Array, operator: tuple) -> tuple[jax.Array, None]:
            own, words = operator
            return draw_outcome(self.kraus_images(own, dt, psi, square), points, words), None

        words = jnp.swapaxes(noise.words, 0, 1)
        if self.count == 1:
            return visit(psi, (terms[0], words[0]))[0]
        return lax.scan(visit, psi, (terms, words), reverse=reverse)[0]


@eqx.filter_jit
def _compiled_terms(channel: Channel, dt: jax.Array, law: NoiseLaw) -> Any:
    """The search for a step asks for them several times, and operation by operation that takes longer than a run."""
    return channel.discrete_terms(dt, law)


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


@final
class DenseOperators(Operators):
    """Jump operators as dense matrices (K, dim, dim)."""

    matrices: Any
    square: Any
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, matrices: Any, basis: Basis | None = None) -> None:
        self.matrices = as_matrix(matrices)
        adjoint = self.matrices.conj().transpose(0, 2, 1)
        self.square = (adjoint @ self.matrices).sum(axis=0)
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.matrices.shape[-1]

    @property
    def count(self) -> int:
        return self.matrices.shape[0]

    def stack(self) -> Any:
        return self.matrices

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_matrix(parameters, psi)

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_matrix(parameters.conj().T, psi)

    def apply_all(self, psi: jax.Array) -> jax.Array:
        rows = self.matrices.reshape(-1, self.dim)
        return apply_matrix(rows, psi).reshape(self.count, *psi.shape)

    def apply_square(self, psi: jax.Array, images: jax.Array) -> jax.Array:
        return apply_matrix(self.square, psi)

    def discrete_mean_step(self, law: NoiseLaw) -> float:
        return np.inf

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        return terms

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> jax.Array:
        return dense_terms(stack, dt, square)

    def kraus_images(self, terms: jax.Array, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        return dense_images(terms, psi)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        def add(total: jax.Array, operator: jax.Array) -> tuple[jax.Array, None]:
            return total + operator @ rho @ operator.conj().T, None

        start = -0.5 * (self.square @ rho + rho @ self.square)
        return lax.scan(add, start, jnp.asarray(self.matrices))[0]

    def operators(self) -> np.ndarray:
        return np.asarray(self.matrices).astype(complex)


@final
class BandedOperators(Operators):
    """Jump operators with few diagonals: (L_k ψ)_i = Σ_b bands[k, b, i] ψ_{i + offsets[b]}."""

    bands: Any
    offsets: tuple[int, ...] = eqx.field(static=True)
    basis: Basis = eqx.field(default_factory=Given)

    def __init__(self, offsets: tuple[int, ...], bands: Any, basis: Basis | None = None) -> None:
        self.offsets, self.bands = tuple(int(offset) for offset in offsets), as_matrix(bands)
        if self.bands.ndim != 3 or self.bands.shape[1] != len(self.offsets):
            raise ValueError(
                f"bands: expected shape (K, {len(self.offsets)}, dim) for offsets {self.offsets}; "
                f"got {self.bands.shape}."
            )
        self.basis = Given() if basis is None else basis

    @property
    def dim(self) -> int:
        return self.bands.shape[-1]

    @property
    def count(self) -> int:
        return self.bands.shape[0]

    def stack(self) -> Any:
        return self.bands

    def apply_one(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        return apply_bands(self.offsets, parameters, psi)

    def apply_one_adjoint(self, parameters: jax.Array, psi: jax.Array) -> jax.Array:
        terms = [shift(scale(band.conj(), psi), -offset) for band, offset in zip(parameters, self.offsets, strict=True)]
        return sum(terms[1:], terms[0])

    def apply_square(self, psi: jax.Array, images: jax.Array) -> jax.Array:
        if self.count == 1:
            return self.apply_one_adjoint(self.bands[0], images[0])
        return level_sum(jax.vmap(self.apply_one_adjoint)(self.bands, images))[0]

    def kraus_terms(self, stack: jax.Array, dt: jax.Array, square: bool) -> jax.Array:
        return band_terms(self.offsets[0], stack[:, 0], dt) if len(self.offsets) == 1 else stack

    def discrete_mean_step(self, law: NoiseLaw) -> float:
        return np.inf if len(self.offsets) == 1 else 0.0

    def kraus_rows(self, terms: np.ndarray, square: bool) -> np.ndarray:
        return bands_as_rows(self.offsets[0], terms, square)

    def kraus_images(self, terms: jax.Array, dt: jax.Array, psi: jax.Array, square: bool) -> Terms:
        if len(self.offsets) == 1:
            return band_images(self.offsets[0], terms, psi, square)
        return taylor_images(*self._actions(terms, None), dt, psi, square)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        def add(total: jax.Array, bands: jax.Array) -> tuple[jax.Array, None]:
            left = self.apply_one(bands, rho)
            both = self.apply_one(bands, left.conj().T).conj().T
            square = self.apply_one_adjoint(bands, left)
            square_right = self.apply_one_adjoint(bands, self.apply_one(bands, rho.conj().T)).conj().T
            return total + both - 0.5 * (square + square_right), None

        return lax.scan(add, jnp.zeros_like(rho), jnp.asarray(self.bands))[0]

    def operators(self) -> np.ndarray:
        dense = np.zeros((self.count, self.dim, self.dim), complex)
        for band, offset in enumerate(self.offsets):
            rows = np.arange(max(0, -offset), min(self.dim, self.dim - offset))
            dense[:, rows, rows + offset] += np.asarray(self.bands)[:, band, rows]
        return dense
