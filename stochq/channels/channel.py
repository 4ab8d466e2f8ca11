"""What every family of jump operators can do."""

import abc
import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number
from stochq.channels.flow import Flow
from stochq.laws import JUMP, REAL, Law, NoiseLaw, law_of
from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import Basis, Given, given_from, into
from stochq.systems.influences import Influence
from stochq.systems.part_axis import PartAxis
from stochq.systems.time_functions import TimeFunction

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps

# Numbers in the matrices of a channel that is stepped operator by operator on a part of a composite system.
LARGEST_ON_PART = 2**22


class Channel(Module):
    """A family of jump operators L_k acting in its own basis. Abstract: `operators` is all that a family must say.

    Everything else follows from it by dense matrices, right but slow; a family overrides what its structure makes
    cheaper, and declares what it knows to be true of itself.

    `drift` and `diffuse` are its Itô increments, its flows are whole steps of this channel alone. All take states and
    density matrices already expressed in `basis`. States have shape (dim,) for one trajectory or (dim, trajectories)
    for many; noise arrays then carry the same trailing axis. `jax.vmap` would put the trajectories first and pay for
    transposes in every step. Rates are inverse times.
    """

    basis: Basis = eqx.field(default=Given(), kw_only=True)

    law: Law = eqx.field(default=REAL, kw_only=True, static=True)

    def with_law(self, law: Law | NoiseLaw) -> "Channel":
        """The same operators under another law of the noise.

        >>> import stochq as sq
        >>> sq.channels.Projectors([1.0, 1.0]).with_law("complex").law
        Complex()
        """
        changed = copy.copy(self)
        object.__setattr__(changed, "law", law_of(law))
        return changed

    @abc.abstractmethod
    def operators(self) -> np.ndarray | jax.Array:
        """The dense L_k, (K, dim, dim). A family that says nothing else is traced: its numbers must be put together by
        `jax.numpy`, not by NumPy."""

    def operators_at(self, t: Number) -> np.ndarray | jax.Array:
        """The dense L_k at time t, (K, dim, dim)."""
        return self.operators()

    @property
    def dim(self) -> int:
        """Dimension of the Hilbert space."""
        return self.dense().dim

    def dense(self) -> "Channel":
        """The same operators as `DenseOperators`, for what a family does not do by itself."""
        from stochq.channels.families.dense import DenseOperators

        try:
            return DenseOperators(self.operators(), self.basis)
        except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
            raise ValueError(
                f"channels: expected {type(self).__name__}.operators to build its matrices with jax.numpy, since a run "
                "traces it; it used NumPy on numbers of the channel. Write jnp for np there."
            ) from error

    def written_out(self, columns: Array | None) -> "Channel":
        """The same operators as matrices in the given basis, which a compiled run can put together at any time.

        columns: this channel's basis, (dim, dim) in the given basis, None for the given basis itself.
        """
        from stochq.channels.families.dense import DenseOperators

        return DenseOperators(given_from(columns, self.operators())).with_law(self.law)

    @property
    def time_dependent(self) -> bool:
        """Whether the operators depend on time."""
        return False

    @property
    def time_functions(self) -> Mapping[str, TimeFunction]:
        """The functions of the time in it, by their names for messages."""
        return {}

    @property
    def influences(self) -> tuple[Influence, ...]:
        """How many jumps its coefficients make per time; none where that is not known."""
        return ()

    @property
    def moves_populations(self) -> bool:
        """Whether the mean populations of its basis change. Channels that leave them alone commute in the mean, once
        they are secular in one basis: say False only where it is certain."""
        return True

    @property
    def is_secular(self) -> bool:
        """Whether, in its basis, every coherence of the mean density matrix decays by itself, at the real rate
        `decoherence` says, and populations obey the rate equation of `transition_rates`. Such channels commute in the
        mean with what is diagonal there, and `sq.exact` solves them in closed form: say True only where it is
        certain."""
        return False

    @property
    def is_hermitian(self) -> bool:
        """Whether all operators are Hermitian whatever their numbers, so that unitary noise exists: say True only where
        it is certain."""
        return False

    @property
    def relaxation(self) -> tuple[Number, Number, Any] | None:
        """(a, its relative standard error, χ) where the dissipator is a(χ Tr ρ − ρ) with a function χ of the
        Hamiltonian, known by what its `root` and `apply` do to states; None elsewhere."""
        return None

    def budget(self, law: Law) -> Budget:
        """Random numbers of one `diffuse`."""
        return self.dense().budget(law)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        """The Itô drift of the norm-preserving equation without the Hamiltonian, (dim, *columns)."""
        return self.dense().drift(t, psi, law)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        """The noise increment over dt, exact in law given psi, (dim, *columns)."""
        return self.dense().diffuse(t, psi, noise, dt, law)

    def flow(self, law: Law) -> Flow:
        """A step of this channel alone, exact in law or of weak order 2 once composed with its reverse."""
        return self.dense().flow(law)

    def smooth_flow(self, law: Law) -> Flow:
        """As `flow`, but a differentiable function of ψ and the parameters, of weak order 2: Platen's step of the
        operators where `flow` is none and the family has no other."""
        flow = self.flow(law)
        return flow if flow.is_differentiable else self.dense().flow(law)

    @property
    def missing_density(self) -> str:
        """Why no steps hold the state while rates vary, as `held` has them; empty when they do."""
        return f"those of sq.models.suv have it, those of {type(self).__name__} do not"

    def held(self) -> "Channel":
        """The same operators with steps whose states have no derivative and |ψ|² has that of their probability, times
        its value: for gradients by likelihood ratios. Of channels without a `missing_density`."""
        raise NotImplementedError(f"{type(self).__name__} has no steps that hold the state.")

    def discrete_flow(self, law: Law) -> Flow:
        """As `flow`, or one whose noise takes few values with a Gaussian's first moments: right for averages only."""
        return self.flow(law).for_averages()

    def jumps(self) -> "Jumps":
        """What clicks of this channel do."""
        return self.dense().jumps()

    def jump_flow(self) -> Flow:
        """A step of this channel's jumps alone, of weak order 2."""
        from stochq.channels.flows.jump import JumpFlow

        return JumpFlow(self, JUMP)

    def record_count(self, law: Law) -> int:
        """How many records the steps of `flow` return, one for each operator; 0 where single records do not exist."""
        if law.counts:
            return self.jumps().count
        return 0 if self.missing_record(law) else self.count

    def missing_record(self, law: Law) -> str:
        """Why no record of every single operator exists under this law; empty when it does."""
        return self.jump_flow().missing_record if law.counts else self.flow(law).missing_record

    def missing_flow(self, law: Law) -> str:
        """Why this channel has no `flow`, or an empty string, as all channels of this package say."""
        return ""

    @property
    def count(self) -> int:
        """Number of operators K."""
        return self.dense().count

    def unsupported(self, law: Law) -> str:
        """Why this noise law does not exist for this channel; empty when it does."""
        return self.dense().unsupported(law)

    def unsupported_colour(self, law: Law) -> str:
        """Why noise with a spectrum does not exist for this channel under this law; empty when it does."""
        return f"{type(self).__name__} has no coloured noise, only operators that are diagonal in one basis have"

    def unsupported_on_part(self) -> str:
        """Why `on_part` does not exist for this channel; empty when it does."""
        if self.time_dependent:
            return (
                f"{type(self).__name__} depends on time and does not say how it does so on a part. Override its "
                "unsupported_on_part and on_part, or write it as sq.channels.TimeDependentOperator"
            )
        if self.count * self.dim**2 <= LARGEST_ON_PART:
            return ""
        return (
            f"{self.count} operators of {self.dim} states each are too many to be stepped one by one on a part. Choose "
            "those that matter and step them through joint.embed(L, part) and sq.models.unravel(joint, [L, ...])"
        )

    def on_part(self, axis: PartAxis, columns: Array | None) -> "Channel":
        """The same operators on one part of a composite system, 1 ⊗ L_k ⊗ 1.

        columns: this channel's basis, (dim, dim) in the given one of the part, None for the given basis itself.
        """
        return self.dense().on_part(axis, columns)

    def unsupported_envelope(self) -> str:
        """Why `Modulated` does not exist for this channel; empty when it does."""
        return ""

    def total_loss(self) -> np.ndarray:
        """Σ_k L_k†L_k or an upper bound to it, a diagonal (dim,) or a matrix (dim, dim), 1/time: ⟨·⟩ is the rate of
        jumps, which a step that is not exact must resolve."""
        operators = np.asarray(self.operators())
        return np.einsum("kji,kjl->il", operators.conj(), operators)

    def losses(self) -> list[np.ndarray]:
        """L†L of what a step takes at once, or upper bounds to them, diagonals (dim,) or matrices (dim, dim), 1/time:
        here of all operators together."""
        return [self.total_loss()]

    def fastest_bound(self) -> float:
        """No less than the largest eigenvalue of all `losses`, 1/time, at hardly any cost."""
        return max(
            float(np.abs(loss).max() if loss.ndim == 1 else np.abs(loss).sum(axis=0).max()) for loss in self.losses()
        )

    def strongest(self, times: np.ndarray) -> float:
        """The largest factor of `total_loss` in a run from the first to the last of these times."""
        return 1.0

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Σ_k L_k ρ L_k† − ½{L_k†L_k, ρ}, (dim, dim)."""
        return self.dense().dissipator(t, rho)

    def features(self) -> np.ndarray | None:
        """F (K, dim) where L_k = diag(F_k) with real F, None for other operators."""
        return None

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The part that keeps populations and coherences of another basis apart: rates W_μν of ν → μ and the decay Γ_μν
        of coherences, (dim, dim) each. vectors: that basis, as columns in this channel's own."""
        operators = into(vectors, np.asarray(self.operators()))
        rates = np.sum(np.abs(operators) ** 2, axis=0)
        loss, diagonals = rates.sum(axis=0), np.diagonal(operators, axis1=1, axis2=2)
        kept = np.real(diagonals.T @ diagonals.conj())
        return rates, 0.5 * (loss[:, None] + loss[None, :]) - kept

    def decoherence(self) -> jax.Array:
        """Γ_ij, (dim, dim), of the coherences of a channel that is secular."""
        operators = jnp.asarray(self.operators())
        loss = jnp.sum(jnp.abs(operators) ** 2, axis=(0, 1))
        diagonals = jnp.diagonal(operators, axis1=1, axis2=2)
        return 0.5 * (loss[:, None] + loss[None, :]) - jnp.real(diagonals.T @ diagonals.conj())

    def transition_rates(self) -> np.ndarray:
        """J_ij of j → i, (dim, dim), of a channel that is secular and moves populations; J_ii means nothing."""
        return self.secular(np.eye(self.dim))[0]

    def arrival_rates(self) -> Array | None:
        """A (dim,) where J_ij = A_i whatever level is left behind, None elsewhere."""
        return None
