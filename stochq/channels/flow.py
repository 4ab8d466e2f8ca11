"""What a step of one channel alone is."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from stochq.laws import Law
from stochq.module import Module
from stochq.noise import Budget, StepNoise

# What becomes of E[ψψ†], (dim, dim).
MeanFlow = Callable[[np.ndarray], np.ndarray]
# ψ after a step and the increment of the record, or None.
Stepped = tuple[jax.Array, jax.Array | None]
# The largest dimension in which it is worth following.
LARGEST_MEAN_MAP = 128
# Steps are as long as a limit allows if they are so to rounding, which divisions of intervals bring.
STEP_RTOL = 1e-9
# Why unitary noise has no record.
NOT_MEASURED = "unitary noise is a random potential, which nobody measures"


class StepLimit(NamedTuple):
    """The longest step that resolves a rate, times that rate, as measured (docs/step.md).

    jumps: of the jumps of one operator in the state at hand; decay: of the level that it leaves fastest, occupied or
    not, where what is rare grows in longer steps.
    """

    jumps: float
    decay: float = np.inf


class Flow(Module):
    """How one channel alone makes a step under one law of the noise. Abstract: each way of drawing the noise is one.

    Of weak order 2 at least, once composed with its reverse, and of the shapes that `Channel` has.

    >>> import stochq as sq
    >>> flow = sq.channels.Projectors([1.0, 1.0]).flow(sq.laws.REAL)
    >>> flow.budget.real_normals, flow.budget.uniforms, flow.mean_limit
    (2, 1, inf)
    """

    channel: Any
    law: Law = eqx.field(static=True)

    @property
    @abc.abstractmethod
    def budget(self) -> Budget:
        """Random numbers of one step."""

    @property
    def unmodulated(self) -> "Flow":
        """The flow without an envelope, itself where there is none."""
        return self

    def for_averages(self) -> "Flow":
        """The same step by noise of few values with a Gaussian's first moments, right for averages only; itself where
        there is none."""
        return self

    @property
    def missing_record(self) -> str:
        """Why `step` returns no increment of a record for every operator; empty when it does."""
        return f"{type(self.channel).__name__} has no record of single operators"

    @property
    def normalises(self) -> bool:
        """Whether the state after a step has norm one whatever it was before, but for the rounding of that step."""
        return False

    @property
    def is_symmetric(self) -> bool:
        """Whether it is of weak order 2 by itself, so that its reverse need not be composed with it."""
        return True

    @property
    def is_differentiable(self) -> bool:
        """Whether gradients pass, finite and of finite variance: none passes a discrete index that is drawn."""
        return False

    @property
    def takes_phases(self) -> bool:
        """Whether a step takes for its `terms` factors (K, 1, *columns) of the operators, one for each trajectory."""
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
    def step_limit(self) -> StepLimit | None:
        """The longest step of the channel alone beyond which a mean may be off by a tenth of its range; None where it
        never is. What splitting it from a Hamiltonian adds is not counted."""
        return None if self.is_exact or self.mean_is_exact else StepLimit(1.0)

    @property
    def mean_limit(self) -> float:
        """The longest step whose `mean_flow` is known; 0 where none is."""
        return 0.0

    @property
    def mean_is_exact(self) -> bool:
        """Whether `mean_flow` has no time-step error in any operator."""
        return False

    def mean_error(self, dt: float) -> float | None:
        """A bound on the error of means at any time, in units of the standard deviation in equilibrium, for steps of
        this length beside a Hamiltonian that commutes with all of it; None where none is known."""
        return None

    def mean_flow(self, dt: float, reverse: bool) -> MeanFlow | None:
        """E[ψψ†] after a step over dt from E[ψψ†] before it, (dim, dim); None where it is not known."""
        return None

    def terms(self, dt: jax.Array) -> Any:
        """What a step over dt needs whatever the state is, prepared once outside the time loop."""
        return None

    @abc.abstractmethod
    def step(self, t: jax.Array, dt: jax.Array, psi: jax.Array, noise: StepNoise, terms: Any, reverse: bool) -> Stepped:
        """ψ after dt, (dim, *columns), and the increment of the record (K, *columns), None where there is none.

        The increment is ∫dY, dY = 2 Re⟨L_k⟩dt + dW, for real noise and ∫dZ, dZ = ⟨L_k⟩dt + dW*, for complex noise, with
        the very dW that drives ψ. It is of the weak order of ψ, jointly with it; what is not used costs nothing.

        t: the time in the middle of the whole step of which this is a part, at which what depends on time is taken, so
        that a symmetric composition stays of second order; reverse: its parts in the opposite order.
        """
