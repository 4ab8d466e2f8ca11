"""Building blocks of the configuration: strict sections, complex numbers without expressions, physical dimensions."""

from dataclasses import dataclass
from typing import Annotated, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, field_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of the configuration file: no unknown keys, no conversion between types, no infinities."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Dimension:
    """Powers of mass, length and time; how a number given in SI units is scaled inside."""

    mass: float = 0.0
    length: float = 0.0
    time: float = 0.0


LENGTH = Dimension(length=1)
MASS = Dimension(mass=1)
TIME = Dimension(time=1)
RATE = Dimension(time=-1)
MOMENTUM = Dimension(mass=1, length=1, time=-1)
ENERGY = Dimension(mass=1, length=2, time=-2)
INVERSE_ENERGY = Dimension(mass=-1, length=-2, time=2)


def _complex(value: object) -> complex:
    if _is_number(value):
        return complex(value)
    if isinstance(value, list) and len(value) == 2:
        real, imaginary = value
        if _is_number(real) and _is_number(imaginary):
            return complex(real, imaginary)
    raise PydanticCustomError("complex", "a number, or a pair [real, imaginary] of numbers")


def _numbers(value: object) -> object:
    return [value] if _is_number(value) else value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_matrix(value: object) -> list[list[complex]]:
    """A square matrix from lists of numbers and pairs."""
    rows = value if isinstance(value, list) else []
    if rows and all(isinstance(row, list) and len(row) == len(rows) for row in rows):
        return [[_complex(element) for element in row] for row in rows]
    raise PydanticCustomError("matrix", "a square matrix: a list of rows, each a list of numbers or [real, imaginary]")


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Complex = Annotated[complex, BeforeValidator(_complex)]
Numbers = Annotated[list[float], BeforeValidator(_numbers), Field(min_length=1)]
Matrix = Annotated[list[list[complex]], PlainValidator(parse_matrix)]


class FitParameter(Section):
    """A parameter that is fitted: where the search begins, and within what bounds."""

    start: float | None = Field(None, description="where the search begins; default: the value in the file")
    bounds: tuple[float | None, float | None] | None = Field(None, description="[lowest, highest]")
    prior: tuple[float, float] | None = Field(None, description="[mean, stderr], known from elsewhere")

    @field_validator("bounds", "prior", mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class Fitted(Section):
    """Which numbers of the file `stochq fit` finds."""

    parameters: Annotated[dict[str, FitParameter], Field(min_length=1)]
