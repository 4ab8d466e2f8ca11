"""Steps of an equation whose trajectories are driven by what they write down."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from stochq.channels import Channel
from stochq.channels.flow import StepLimit
from stochq.equation import Equation
from stochq.feedback.controller import Memory
from stochq.feedback.loop import Loop, check_loop, counts_clicks, example, is_complex
from stochq.functions import digest_of_program
from stochq.measurement import Line
from stochq.module import Module
from stochq.noise import Budget, StepNoise
from stochq.schemes import Frame, Scheme, Stepper, Strang
from stochq.schemes.scheme import Increments, States
from stochq.schemes.strang import StrangStepper


class Wire(eqx.Module):
    """How a record reaches the controller: the sum of its sources times `scale`, and `drift` per time; per time itself
    unless it counts."""

    line: Line = eqx.field(static=True)
    is_complex: bool = eqx.field(static=True)
    counts: bool = eqx.field(static=True)
    scale: Any
    drift: Any


@final
class Steering(Module):
    """A loop and how the records reach its controller: what acts in a step, and what is remembered after it.

    It takes nothing but what was written down, so that whoever reads the records can follow it.
    """

    loop: Loop
    wires: tuple[Wire, ...]

    def start(self, columns: int, dtype: Any) -> Memory:
        """What the controller remembers at the start, of so many trajectories, in a real precision."""

        def of_columns(leaf: Any) -> jax.Array:
            leaf = jnp.asarray(leaf)
            leaf = leaf.astype(jnp.result_type(dtype, jnp.complex64) if jnp.iscomplexobj(leaf) else dtype)
            return jnp.broadcast_to(leaf[..., None], (*leaf.shape, columns))

        return jax.tree.map(of_columns, self.loop.controller.init())

    def outputs(self, t: jax.Array, memory: Memory, like: jax.Array) -> dict[str, jax.Array]:
        """What acts in the step from time t, (columns,) each; like: an array of one number a trajectory."""
        controller = self.loop.controller
        # The second argument counts the trajectories where the controller remembers nothing.
        output = jax.vmap(lambda memory, _: controller.output(memory, t), in_axes=-1, out_axes=-1)
        return {name: value.astype(like.dtype) for name, value in output(memory, like).items()}

    def phases(self, outputs: dict[str, jax.Array]) -> dict[tuple[int, int], jax.Array]:
        """e^{−iφ} (columns,) by the channel and the place in it of the operators that are turned."""
        turned = {}
        for wire in self.wires:
            if wire.line.name in outputs:
                angle = outputs[wire.line.name]
                turned[wire.line.sources[0]] = jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))
        return turned

    def update(self, t: jax.Array, dt: jax.Array, memory: Memory, increments: Increments) -> Memory:
        """What is remembered after the step from time t in which this was written down."""
        record = {wire.line.name: _read(wire, increments, dt) for wire in self.wires}
        update = jax.vmap(lambda memory, record: self.loop.controller.update(memory, record, t, dt), -1, -1)
        return jax.tree.map(lambda new, old: new.astype(old.dtype), update(memory, record), memory)

    def seen_from(self, columns: Any) -> "Steering":
        """With the controls in the basis of these columns, None for the given one."""
        return Steering(self.loop.seen_from(columns), self.wires)


def _read(wire: Wire, increments: Increments, dt: jax.Array) -> jax.Array:
    """The mean current over a step, or its clicks, (columns,)."""
    parts = [increments[channel][operator] for channel, operator in wire.line.sources]  # pyright: ignore
    total = sum(parts[1:], parts[0])
    return total if wire.counts else wire.scale * total / dt + wire.drift


@final
class ClosedLoop(Scheme):
    """Strang's composition under feedback: the controls act, then a step is made, then the controller reads its record.

    Of weak order 1, as the controller answers one step late.
    """

    scheme: Strang
    steering: Steering

    @property
    def name(self) -> str:
        return f"{self.scheme.name} with feedback"

    @property
    def feedback(self) -> Steering:
        return self.steering

    @property
    def strong_order(self) -> float:
        return 0.5

    @property
    def weak_order(self) -> int:
        return 1

    def requires(self, equation: Equation) -> str:
        return self.scheme.requires(equation)

    def missing_record(self, channel: Channel) -> str:
        return self.scheme.missing_record(channel)

    def normalises(self, equation: Equation) -> bool:
        return self.scheme.normalises(equation)

    def digest(self) -> str:
        controller, time = self.steering.loop.controller, jax.ShapeDtypeStruct((), jnp.result_type(float))
        memory = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, controller.init()))
        record = {wire.line.name: example(wire.is_complex) for wire in self.steering.wires}
        answers = digest_of_program(controller.output, memory, time)
        return f"{answers} {digest_of_program(controller.update, memory, record, time, time)}"

    def differentiable(self, equation: Equation) -> bool:
        return self.scheme.differentiable(equation)

    @property
    def propagates_exactly(self) -> bool:
        return True

    def step_limits(self, frame: Frame) -> tuple[StepLimit | None, ...]:
        return self.scheme.step_limits(frame)

    def smallest_block(self, equation: Equation) -> int:
        return self.scheme.smallest_block(equation)

    def budget(self, frame: Frame) -> Budget:
        return self.scheme.budget(frame)

    def prepare(self, frame: Frame, dt: jax.Array) -> "ClosedLoopStepper":
        inner = self.scheme.prepare(frame, dt).unmerged()
        return ClosedLoopStepper(inner, self.steering.seen_from(frame.columns), dt, frame.hbar)


@final
class ClosedLoopStepper(Stepper):
    """Carries the state and what the controller remembers."""

    inner: StrangStepper
    steering: Steering
    dt: jax.Array
    hbar: Any

    def init(self, t: jax.Array, states: States) -> tuple[jax.Array, Memory]:
        (psi,) = states
        return psi, self.steering.start(psi.shape[-1], psi.real.dtype)

    def extract(self, t: jax.Array, state: tuple[jax.Array, Memory]) -> States:
        return (state[0],)

    def suspend(self, t: jax.Array, state: tuple[jax.Array, Memory]) -> Any:
        return state

    def resume(self, t: jax.Array, suspended: Any) -> tuple[jax.Array, Memory]:
        return suspended

    def step(self, t: jax.Array, state: tuple[jax.Array, Memory], noise: StepNoise) -> Any:
        return self.step_with_record(t, state, noise)[0]

    def step_with_record(
        self, t: jax.Array, state: tuple[jax.Array, Memory], noise: StepNoise
    ) -> tuple[Any, Increments]:
        psi, memory = state
        outputs = self.steering.outputs(t, memory, psi.real[0])
        psi = self.steering.loop.act(outputs, self.dt, self.hbar, psi)
        inner = self.inner.with_phases(self.steering.phases(outputs))
        psi, increments = inner.step_with_record(t, psi, noise)
        return (psi, self.steering.update(t, self.dt, memory, increments)), increments


def closed_loop(equation: Equation, scheme: Scheme | None, loop: Loop) -> ClosedLoop:
    """The scheme of a run under feedback.

    Raises:
        ValueError: for what is no loop, a scheme that does not return its record, and a loop that does not fit or whose
            controller reads other numbers than when it was made.
    """
    if not isinstance(loop, Loop):
        raise ValueError(
            f"feedback: expected sq.feedback.Loop(controller, {{name: operator}}); got {type(loop).__name__}."
        )
    loop.check_unchanged()
    scheme = Strang() if scheme is None else scheme
    if not isinstance(scheme, Strang) or scheme.discrete:
        raise ValueError(
            f"scheme: expected sq.schemes.Strang() with feedback, whose steps return what is written down; got "
            f"{scheme.name}."
        )
    check_loop(loop, equation)
    scheme.check(equation)
    return ClosedLoop(scheme, Steering(loop, tuple(_wire(equation, line) for line in equation.lines)))


def _wire(equation: Equation, line: Line) -> Wire:
    kind = is_complex(equation, line), counts_clicks(equation, line)
    if line.detector < 0:
        return Wire(line, *kind, 1.0, 0.0)
    detector = equation.detectors[line.detector]
    return Wire(line, *kind, detector.scale, detector.drift)
