"""Steps of an equation whose trajectories are driven by what they write down."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from stochq.channels import Channel
from stochq.equation import Equation
from stochq.feedback.controller import Memory
from stochq.feedback.loop import Loop, check_loop, example, is_complex
from stochq.functions import digest_of_program
from stochq.measurement import Line
from stochq.noise import Budget, StepNoise
from stochq.schemes import Frame, Scheme, Stepper, Strang
from stochq.schemes.scheme import Increments, States
from stochq.schemes.strang import StrangStepper


class Wire(eqx.Module):
    """How a record reaches the controller: the sum of its sources times `scale`, and `drift` per time."""

    line: Line = eqx.field(static=True)
    is_complex: bool = eqx.field(static=True)
    scale: Any
    drift: Any


@final
class ClosedLoop(Scheme):
    """Strang's composition under feedback: the controls act, then a step is made, then the controller reads its record.

    Of weak order 1, as the controller answers one step late.
    """

    scheme: Strang
    loop: Loop
    wires: tuple[Wire, ...]

    @property
    def name(self) -> str:
        return f"{self.scheme.name} with feedback"

    @property
    def feeds_back(self) -> bool:
        return True

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

    def digest(self) -> str:
        controller, time = self.loop.controller, jax.ShapeDtypeStruct((), jnp.result_type(float))
        memory = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, controller.init()))
        record = {wire.line.name: example(wire.is_complex) for wire in self.wires}
        answers = digest_of_program(controller.output, memory, time)
        return f"{answers} {digest_of_program(controller.update, memory, record, time, time)}"

    def differentiable(self, equation: Equation) -> bool:
        return self.scheme.differentiable(equation)

    @property
    def propagates_exactly(self) -> bool:
        return True

    def smallest_block(self, equation: Equation) -> int:
        return self.scheme.smallest_block(equation)

    def budget(self, frame: Frame) -> Budget:
        return self.scheme.budget(frame)

    def prepare(self, frame: Frame, dt: jax.Array) -> "ClosedLoopStepper":
        controls = {name: control.seen_from(frame.columns) for name, control in self.loop.controls.items()}
        loop = eqx.tree_at(lambda loop: loop.controls, self.loop, controls)
        return ClosedLoopStepper(self.scheme.prepare(frame, dt).unmerged(), loop, self.wires, dt, dt / frame.hbar)


@final
class ClosedLoopStepper(Stepper):
    """Carries the state and what the controller remembers."""

    inner: StrangStepper
    loop: Loop
    wires: tuple[Wire, ...]
    dt: jax.Array
    scaled: jax.Array

    def init(self, t: jax.Array, states: States) -> tuple[jax.Array, Memory]:
        (psi,) = states
        return psi, jax.tree.map(lambda leaf: _of_columns(leaf, psi), self.loop.controller.init())

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
        controller = self.loop.controller
        # The second argument counts the trajectories where the controller remembers nothing.
        output = jax.vmap(lambda memory, _: controller.output(memory, t), in_axes=-1, out_axes=-1)
        outputs = {name: value.astype(psi.real.dtype) for name, value in output(memory, psi.real[0]).items()}
        psi = self.loop.act(outputs, self.scaled, psi)
        psi, increments = self.inner.with_phases(self._phases(outputs)).step_with_record(t, psi, noise)
        update = jax.vmap(lambda memory, record: controller.update(memory, record, t, self.dt), -1, -1)
        updated = update(memory, self._record(increments))
        return (psi, jax.tree.map(lambda new, old: new.astype(old.dtype), updated, memory)), increments

    def _phases(self, outputs: dict[str, jax.Array]) -> dict[tuple[int, int], jax.Array]:
        """e^{−iφ} (columns,) by the channel and the place in it of the operators that are turned."""
        turned = {}
        for wire in self.wires:
            if wire.line.name in outputs:
                angle = outputs[wire.line.name]
                turned[wire.line.sources[0]] = jax.lax.complex(jnp.cos(angle), -jnp.sin(angle))
        return turned

    def _record(self, increments: Increments) -> dict[str, jax.Array]:
        """Mean currents over the step, (columns,) each."""
        record = {}
        for wire in self.wires:
            parts = [increments[channel][operator] for channel, operator in wire.line.sources]  # pyright: ignore
            record[wire.line.name] = wire.scale * sum(parts[1:], parts[0]) / self.dt + wire.drift
        return record


def _of_columns(leaf: Any, psi: jax.Array) -> jax.Array:
    """A number or an array of the controller, in the precision of ψ and once for each of its columns."""
    leaf = jnp.asarray(leaf)
    leaf = leaf.astype(psi.dtype if jnp.iscomplexobj(leaf) else psi.real.dtype)
    return jnp.broadcast_to(leaf[..., None], (*leaf.shape, psi.shape[-1]))


def closed_loop(equation: Equation, scheme: Scheme | None, loop: Loop) -> ClosedLoop:
    """The scheme of a run under feedback.

    Raises: ValueError for what is no loop, a scheme that does not return its record, and a loop that does not fit.
    """
    if not isinstance(loop, Loop):
        raise ValueError(
            f"feedback: expected sq.feedback.Loop(controller, {{name: operator}}); got {type(loop).__name__}."
        )
    scheme = Strang() if scheme is None else scheme
    if not isinstance(scheme, Strang) or scheme.discrete:
        raise ValueError(
            f"scheme: expected sq.schemes.Strang() with feedback, whose steps return what is written down; got "
            f"{scheme.name}."
        )
    check_loop(loop, equation)
    scheme.check(equation)
    return ClosedLoop(scheme, loop, tuple(_wire(equation, line) for line in equation.lines))


def _wire(equation: Equation, line: Line) -> Wire:
    if line.detector < 0:
        return Wire(line, is_complex(equation, line), 1.0, 0.0)
    detector = equation.detectors[line.detector]
    return Wire(line, is_complex(equation, line), detector.scale, detector.drift)
