"""The table [model.feedback]: what the records of detectors drive."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field
from pydantic_core import PydanticCustomError

from stochq.cli.fields import NonNegative, Operator, Section


class Force(Operator):
    """A Hermitian operator that a record drives: what is added to the Hamiltonian is strength · operator · record."""

    strength: float = Field(
        description="multiplies the operator: with a current an energy over the current, with clicks an angle, times ħ"
    )


class Markovian(Section):
    """Feedback without delay, which has a master equation: currents drive operators, every click is followed by a kick.

    What the detectors write down is the same record that drives.
    """

    kind: Literal["markovian"]
    forces: Annotated[dict[str, Force], Field(min_length=1)] = Field(
        description="tables such as [model.feedback.forces.current], by homodyne detectors and counters"
    )


class Proportional(Operator):
    """A controller that drives a Hermitian operator in proportion to one current, as it is or behind a low-pass filter.

    It answers one step late. What is added to the Hamiltonian is gain · (y - target) · operator. Without a filter y is
    the current, with one τ dy/dt = current - y.
    """

    kind: Literal["proportional"]
    record: str = Field(description="the homodyne detector whose current is read")
    gain: float = Field(description="an energy over the current")
    time_constant: NonNegative = Field(0.0, description="τ of the low-pass filter; 0: none")
    target: float = Field(0.0, description="the current at which nothing is done")


KINDS = ("markovian", "proportional")


def _declared(value: object) -> object:
    """Refuses controllers that are code in the words of those who wrote one."""
    named = isinstance(value, dict) and ("controller" in value or value.get("kind") not in (None, *KINDS))
    if isinstance(value, str) or named:
        raise PydanticCustomError(
            "controller",
            'a table of kind "markovian" or "proportional"; a controller of one\'s own is code, and a configuration is '
            "never executed: in Python, sq.simulate(..., feedback=sq.feedback.Loop(controller, ...)) takes it",
        )
    return value


Feedback = Annotated[Markovian | Proportional, Discriminator("kind"), BeforeValidator(_declared)]
