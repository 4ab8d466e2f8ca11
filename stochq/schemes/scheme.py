"""What a scheme is, and what it becomes once an equation and a step length are known."""

import abc
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from stochq.channels import Channel
from stochq.channels.flow import StepLimit
from stochq.equation import Equation
from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.schemes.frame import Frame

States = tuple[jax.Array, ...]
Increments = tuple[jax.Array | None, ...]
MeanMap = Callable[[np.ndarray, int], np.ndarray]
# Of explicit steps of all channels at once, as measured (docs/step.md).
EXPLICIT_LIMIT = StepLimit(1.0, 3.0)


class Stepper(Module):
    """A scheme bound to an equation and a step length, prepared once outside the time loop. Abstract.

    The state it carries is the scheme's own; `init` makes it from states in the held basis, one for each of the
    scheme's `weights`, and `extract` gives them back. All methods act on one trajectory.
    """

    @property
    def parts(self) -> tuple[Budget, ...]:
        """What a step splits off its random numbers one after another; empty where that does not matter."""
        return ()

    @abc.abstractmethod
    def init(self, t: jax.Array, states: States) -> Any:
        """The carried state that stands for the given states at time t."""

    @abc.abstractmethod
    def step(self, t: jax.Array, state: Any, noise: StepNoise) -> Any:
        """The carried state at t + dt."""

    def step_with_record(self, t: jax.Array, state: Any, noise: object) -> tuple[Any, Increments]:
        """As `step`, with the increments of the records of every channel, (K, *columns) each or None; by steppers of
        schemes that have no `missing_record`."""
        raise NotImplementedError

    def step_with_records(self, t: jax.Array, state: Any, noise: object) -> tuple[Any, tuple[Increments, ...]]:
        """As `step_with_record`, with the records of all steps of all runs that a scheme combines."""
        state, increments = self.step_with_record(t, state, noise)
        return state, (increments,)

    @abc.abstractmethod
    def extract(self, t: jax.Array, state: Any) -> States:
        """The states for which the carried state stands."""

    def suspend(self, t: jax.Array, state: Any) -> Any:
        """What a stepper of another step length can go on from: the states, and what is remembered beside them."""
        return self.extract(t, state)

    def resume(self, t: jax.Array, suspended: Any) -> Any:
        """The carried state from what another stepper suspended at time t."""
        return self.init(t, suspended)


class Scheme(Module):
    """How one step is made. Abstract.

    weights: an observable's value is Σ_i weights[i] f(ψ_i) over the states ψ_i of `Stepper.extract`.
    """

    @property
    def name(self) -> str:
        """The scheme as one would write it."""
        return f"{type(self).__name__}()"

    @property
    def weights(self) -> tuple[float, ...]:
        return (1.0,)

    @property
    def doubles_steps(self) -> bool:
        """Whether one step consumes the random numbers of two (its own fine steps)."""
        return False

    @property
    def feedback(self) -> Any:
        """What drives every trajectory by what it writes down, as of `stochq.feedback`; None where nothing does."""
        return None

    @property
    def feeds_back(self) -> bool:
        """Whether what is written down drives the trajectory."""
        return self.feedback is not None

    @property
    def averages_only(self) -> bool:
        """Whether averages alone have the equation's law, and single trajectories have not."""
        return False

    @property
    @abc.abstractmethod
    def strong_order(self) -> float:
        """The power of dt with which single trajectories converge."""

    @property
    def weak_order(self) -> int:
        """The power of dt with which averages converge; 0 where none was established."""
        return 0

    @abc.abstractmethod
    def requires(self, equation: Equation) -> str:
        """What the equation lacks for this scheme, with the fix; empty when the pair is possible."""

    def missing_record(self, channel: Channel) -> str:
        """Why its steps do not return the records of a channel, with the fix; empty when they do."""
        return f"{self.name} does not return what its noise writes down. Use sq.schemes.Strang()"

    def normalises(self, equation: Equation) -> bool:
        """Whether every step ends with norms of one by construction; otherwise runs watch them."""
        return False

    def digest(self) -> str:
        """A hash of what users' functions in it compute; empty where there are none."""
        return ""

    @abc.abstractmethod
    def differentiable(self, equation: Equation) -> bool:
        """Whether gradients with respect to the equation's parameters pass through a step."""

    @property
    def rounding_per_step(self) -> float:
        """Rounding errors that one step adds to a mean, in units of a single operation's.

        Measured against double precision on driven cavities, where nothing else differs, in up to 5120 steps: 0.3.
        """
        return 0.5

    @property
    def propagates_exactly(self) -> bool:
        """Whether the Hamiltonian alone makes no error, so that a step need not resolve its frequencies."""
        return False

    def unresolved(self, frame: Frame, means: bool) -> tuple[int, ...]:
        """The channels whose rates a step must resolve, by their index. means: where means of operators are all."""
        return tuple(range(len(frame.channels)))

    def step_limits(self, frame: Frame) -> tuple[StepLimit | None, ...]:
        """The longest step of every channel alone beyond which a mean may be off by a tenth of its range; None where
        it never is."""
        return (EXPLICIT_LIMIT,) * len(frame.channels)

    def mean_step(self, frame: Frame) -> float:
        """The longest step over which the means of operators have no time-step error; 0 where every step has one."""
        return 0.0

    def mean_error(self, frame: Frame, dt: float) -> float | None:
        """A bound on the time-step error of means at any time, in units of the standard deviation in equilibrium; None
        where it is not known."""
        return None

    def mean_limit(self, frame: Frame) -> float:
        """The longest step whose `mean_map` is known; 0 where none is."""
        return 0.0

    def mean_map(self, frame: Frame, dt: float) -> MeanMap | None:
        """(ρ, n) -> E[ψψ†] in the held basis after n steps from ρ = E[ψψ†]; None where it is not known exactly."""
        return None

    @abc.abstractmethod
    def budget(self, frame: Frame) -> Budget:
        """Random numbers of one step."""

    @abc.abstractmethod
    def prepare(self, frame: Frame, dt: jax.Array) -> Stepper:
        """Bind to an equation and a step length."""

    def smallest_block(self, equation: Equation) -> int:
        """Trajectories that a block should hold at least on a CPU, where a step is many short operations."""
        return 1

    def check(self, equation: Equation) -> None:
        """Raise ValueError if this scheme cannot step this equation, naming the fix."""
        if problem := self.requires(equation):
            raise ValueError(f"scheme: {type(self).__name__} cannot step this equation: {problem}")


def check_scheme(scheme: object, equation: Equation) -> None:
    """ValueError for what is no scheme, or one that cannot step this equation, naming the fix."""
    if not isinstance(scheme, Scheme):
        raise ValueError(
            f"scheme: expected None, sq.schemes.Strang(), sq.schemes.EulerMaruyama() or sq.schemes.Extrapolated(...); "
            f"got {scheme!r}."
        )
    scheme.check(equation)
