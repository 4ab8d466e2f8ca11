"""The tables [[drives]]: what is added to the Hamiltonian, times a function of the time."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.fields import ENERGY, RATE, TIME, Operator, Positive


class Drive(Operator):
    """A Hermitian operator of the drive.

    Where the file has [units], a named one counts in its own, as in a force times position.
    """


class Cosine(Drive):
    """The operator times amplitude · cos(frequency · t + phase)."""

    kind: Literal["cosine"]
    amplitude: Annotated[float, ENERGY] = Field(description="the largest value, in energy per unit of the operator")
    frequency: Annotated[float, RATE] = Field(description="the angular frequency")
    phase: float = Field(0.0, description="in radians, at t = 0")


class Pulse(Drive):
    """The operator times amplitude · exp(−(t − centre)²/2 width²) cos(frequency · (t − centre) + phase)."""

    kind: Literal["pulse"]
    amplitude: Annotated[float, ENERGY] = Field(description="the largest value, in energy per unit of the operator")
    centre: Annotated[float, TIME] = Field(description="the time of the largest value")
    width: Annotated[Positive, TIME] = Field(description="the standard deviation of the Gaussian")
    frequency: Annotated[float, RATE] = Field(0.0, description="the angular frequency of the carrier")
    phase: float = Field(0.0, description="of the carrier, in radians, at the centre")


class Sampled(Drive):
    """The operator times a function that is known from samples."""

    kind: Literal["sampled"]
    times: Annotated[list[float], Field(min_length=2), TIME] = Field(description="increasing, over the whole run")
    values: Annotated[list[float], Field(min_length=1), ENERGY] = Field(
        description='one for each time, for "constant" one for each interval between them'
    )
    interpolation: Literal["constant", "linear", "cubic"] = Field("linear", description="between the times")

    @model_validator(mode="after")
    def _as_many(self) -> "Sampled":
        if len(self.values) != len(self.times) - (self.interpolation == "constant"):
            raise PydanticCustomError("samples", 'a value for each time, or for each interval of "constant"')
        return self


AnyDrive = Annotated[Cosine | Pulse | Sampled, Discriminator("kind")]
