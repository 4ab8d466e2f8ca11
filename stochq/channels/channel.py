"""What every family of jump operators can do, how it makes a step alone, and the basis it is written in."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import Basis as Basis
from stochq.systems.basis import Given as Given

NoiseLaw = Literal["real", "complex", "unitary"]
# What becomes of E[ψψ†], (dim, dim).
MeanFlow = Callable[[np.ndarray], np.ndarray]
# The largest dimension in which it is worth following.
LARGEST_MEAN_MAP = 128
# Steps are as long as a limit allows if they are so to rounding, which divisions of intervals bring.
JUST = 1 + 1e-9


class Flow(Module):
    """How one channel alone makes a step under one law of the noise. Abstract: each way of drawing the noise is one.

    Of weak order 2 at least, once composed with its reverse, and of the shapes that `Channel` has.

    >>> import stochq as sq
    >>> flow = sq.channels.Projectors([1.0, 1.0]).flow("real")
    >>> flow.budget.singles, flow.budget.uniforms, flow.mean_limit
    (2, 1, inf)
    """

    channel: Any
    law: NoiseLaw = eqx.field(static=True)

    @property
    def budget(self) -> Budget:
        """Random numbers of one step."""
        raise NotImplementedError

    @property
    def is_symmetric(self) -> bool:
        """Whether it is of weak order 2 by itself, so that its reverse need not be composed with it."""
        return True

    @property
    def is_differentiable(self) -> bool:
        """Whether gradients pass, finite and of finite variance: none passes a discrete index that is drawn."""
        return False

    @property
    def smallest_block(self) -> int:
        """Trajectories that a block should hold at least on a CPU for a step to be efficient."""
        return 1

    @property
    def is_exact(self) -> bool:
        """Whether a step of any length has the law of the channel alone, so that it need not resolve the rates."""
        return False

    @property
    def mean_limit(self) -> float:
        """The longest step whose `mean_flow` is known; 0 where none is."""
        return 0.0

    @property
    def mean_is_exact(self) -> bool:
        """Whether `mean_flow` has no time-step error in any operator."""
        return False

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow | None:
        """E[ψψ†] after a step over dt from E[ψψ†] before it, (dim, dim), where `mean_limit` is not 0; None where the
        step is too long for it."""
        raise NotImplementedError

    def terms(self, dt: jax.Array) -> Any:
        """What a step over dt needs whatever the state is, prepared once outside the time loop."""
        return None

    def step(self, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> jax.Array:
        """ψ after dt, (dim, *columns); reverse: its parts in the opposite order."""
        raise NotImplementedError


class Channel(Module):
    """A family of jump operators L_k acting in its own basis, never a list of matrices.

    `drift` and `diffuse` are its Itô increments, its flows are whole steps of this channel alone. All take states and
    density matrices already expressed in `basis`. States have shape (dim,) for one trajectory or (dim, trajectories)
    for many; noise arrays then carry the same trailing axis. `jax.vmap` would put the trajectories first and pay for
    transposes in every step. Rates are inverse times.
    """

    basis: eqx.AbstractVar[Basis]

    @property
    def dim(self) -> int:
        """Dimension of the Hilbert space."""
        raise NotImplementedError

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

    def budget(self, law: NoiseLaw) -> Budget:
        """Random numbers of one `diffuse`."""
        raise NotImplementedError

    def drift(self, t: jax.Array, psi: jax.Array, law: NoiseLaw) -> jax.Array:
        """The Itô drift of the norm-preserving equation without the Hamiltonian, (dim, *columns)."""
        raise NotImplementedError

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: NoiseLaw) -> jax.Array:
        """The noise increment over dt, exact in law given psi, (dim, *columns)."""
        raise NotImplementedError

    def flow(self, law: NoiseLaw) -> Flow:
        """A step of this channel alone, exact in law or of weak order 2 once composed with its reverse."""
        raise NotImplementedError

    def smooth_flow(self, law: NoiseLaw) -> Flow:
        """As `flow`, but a differentiable function of ψ and the parameters where there is one, of weak order 2."""
        return self.flow(law)

    def discrete_flow(self, law: NoiseLaw) -> Flow:
        """As `flow`, or one whose noise takes few values with a Gaussian's first moments: right for averages only."""
        return self.flow(law)

    def missing_flow(self, law: NoiseLaw) -> str:
        """Why this channel has no `flow`, or an empty string, as all channels of this package say."""
        return ""

    def unsupported(self, law: NoiseLaw) -> str:
        """Why this noise law does not exist for this channel; empty when it does."""
        raise NotImplementedError

    def unsupported_colour(self, law: NoiseLaw) -> str:
        """Why noise with a spectrum does not exist for this channel under this law; empty when it does."""
        return f"{type(self).__name__} has no coloured noise, only operators that are diagonal in one basis have"

    def total_loss(self) -> np.ndarray:
        """Σ_k L_k†L_k or an upper bound to it, a diagonal (dim,) or a matrix (dim, dim), 1/time: ⟨·⟩ is the rate of
        jumps, which a step that is not exact must resolve."""
        operators = self.operators()
        return np.einsum("kji,kjl->il", operators.conj(), operators)

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        """Σ_k L_k ρ L_k† − ½{L_k†L_k, ρ}, using the structure, (dim, dim)."""
        raise NotImplementedError

    def operators(self) -> np.ndarray:
        """The dense L_k, (K, dim, dim); for tests and small systems."""
        raise NotImplementedError

    def features(self) -> np.ndarray | None:
        """F (K, dim) where L_k = diag(F_k) with real F, None for other operators."""
        return None

    def secular(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The part that keeps populations and coherences of another basis apart: rates W_μν of ν → μ and the decay Γ_μν
        of coherences, (dim, dim) each. vectors: that basis, as columns in this channel's own."""
        operators = vectors.conj().T @ self.operators() @ vectors
        rates = np.sum(np.abs(operators) ** 2, axis=0)
        loss, diagonals = rates.sum(axis=0), np.diagonal(operators, axis1=1, axis2=2)
        kept = np.real(diagonals.T @ diagonals.conj())
        return rates, 0.5 * (loss[:, None] + loss[None, :]) - kept

    def decoherence(self) -> jax.Array:
        """Γ_ij, (dim, dim), of the coherences of a channel that is secular."""
        return jnp.asarray(self.secular(np.eye(self.dim))[1])

    def transition_rates(self) -> np.ndarray:
        """J_ij of j → i, (dim, dim), of a channel that is secular and moves populations; J_ii means nothing."""
        return self.secular(np.eye(self.dim))[0]

    def arrival_rates(self) -> np.ndarray | None:
        """A (dim,) where J_ij = A_i whatever level is left behind, None elsewhere."""
        return None
