"""What a controller is, and one that is proportional to a filtered current."""

import abc
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from stochq.arrays import is_concrete
from stochq.module import Module
from stochq.systems.checks import check_number

# What a controller remembers: a tree of arrays.
Memory = Any


class Controller(Module):
    """Who reads the record of a trajectory and drives that same trajectory. Abstract.

    It is written for one trajectory, with `jax.numpy`. Once in every step `output` says what acts in the step, then
    `update` takes what was written down in it: a controller acts one step after what it reacts to. Its numbers are its
    fields, in the manner of a dataclass; other values of them compile nothing anew.
    """

    @property
    def currents(self) -> tuple[str, ...]:
        """The names of records that have to be currents, which clicks are not."""
        return ()

    @abc.abstractmethod
    def init(self) -> Memory:
        """What it remembers at the start: a tree of real or complex arrays."""

    @abc.abstractmethod
    def update(self, memory: Memory, record: Mapping[str, jax.Array], t: jax.Array, dt: jax.Array) -> Memory:
        """What it remembers after a step, of the same shapes.

        Args:
            memory: before the step.
            record: {name: mean current over the step}, for every record of the equation: real of homodyne detectors,
                complex of heterodyne ones, with the detector's gain and offset; of counters the clicks in the step:
                a kick takes them as they are, a control, which acts for the whole step, divided by dt.
            t: the start of the step.
            dt: its length.
        """

    @abc.abstractmethod
    def output(self, memory: Memory, t: jax.Array) -> Mapping[str, jax.Array]:
        """What acts in the step that begins at time t: coefficients of controls and kicks, by their names, in the unit
        of the coefficient; phases of the local oscillators of homodyne detectors, by the detectors' names, radians,
        which are added to their own. What is not named is 0.

        A detector of a real diagonal operator at phase 0, whose steps are exact, takes phases where its own is a
        function, phase=lambda t: 0 * t."""


@final
class Proportional(Controller):
    r"""A control proportional to one current, as it is or behind a low-pass filter.

    $$u = g\,(y - y_0),\qquad y = I\ \text{or}\ \tau\dot y = I - y$$

    Without a filter this is Markovian feedback (Wiseman and Milburn, PRL 70, 548 (1993)), whose master equation is that
    of `sq.models.markovian_feedback`.

    Args:
        record: the name of the record, of a homodyne detector.
        control: the name of the control.
        gain: g, the unit of the control over that of the current.
        time_constant: τ of the filter, a time; 0 for none.
        target: y₀, the current at which nothing is done.

    Raises:
        ValueError: for arguments that are no numbers, a negative time constant and, in a run, the record of a counter
            or of heterodyne detection.

    >>> import stochq as sq
    >>> sq.feedback.Proportional("x", "push", gain=-2.0).output(0.5, 0.0)
    {'push': -1.0}
    """

    record: str = eqx.field(static=True)
    control: str = eqx.field(static=True)
    gain: Any
    time_constant: Any
    target: Any
    filtered: bool = eqx.field(static=True)

    def __init__(
        self, record: str, control: str, *, gain: float, time_constant: float = 0.0, target: float = 0.0
    ) -> None:
        for name, value in {"gain": gain, "time_constant": time_constant, "target": target}.items():
            check_number(name, value)
        if is_concrete(time_constant) and time_constant < 0:
            raise ValueError(f"time_constant: expected a time, zero or positive; got {time_constant}.")
        self.record, self.control = record, control
        self.gain, self.time_constant, self.target = gain, time_constant, target
        self.filtered = not isinstance(time_constant, (int, float)) or time_constant > 0

    @property
    def currents(self) -> tuple[str, ...]:
        return (self.record,)

    def init(self) -> jax.Array:
        return jnp.asarray(self.target, float)

    def update(self, memory: jax.Array, record: Mapping[str, jax.Array], t: jax.Array, dt: jax.Array) -> jax.Array:
        current = record[self.record]
        if jnp.iscomplexobj(current):
            raise ValueError(
                f"record: expected that of a homodyne detector, which is real; {self.record!r} is heterodyne and "
                "complex. Write a sq.feedback.Controller that takes its real or imaginary part."
            )
        if not self.filtered:
            return current
        # Exact for a current that is constant in the step.
        return memory - jnp.expm1(-dt / self.time_constant) * (current - memory)

    def output(self, memory: jax.Array, t: jax.Array) -> dict[str, jax.Array]:
        return {self.control: self.gain * (memory - self.target)}
