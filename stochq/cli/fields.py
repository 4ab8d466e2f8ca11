"""Building blocks of the configuration: strict sections, complex numbers without expressions, physical dimensions."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError


class Section(BaseModel):
    """A table of the configuration file: no unknown keys, no conversion between types, no infinities."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Dimension:
    """Powers of mass, length and time; how a number given in SI units is scaled inside."""

    mass: float = 0.0
    length: float = 0.0
    time: float = 0.0

    @property
    def unit(self) -> str:
        """The SI unit: "kg m² s⁻²"."""
        if self == ENERGY:
            return "J"
        powers = (("kg", self.mass), ("m", self.length), ("s", self.time))
        return " ".join(f"{unit}{'' if power == 1 else _raised(power)}" for unit, power in powers if power)


def _raised(power: float) -> str:
    return f"{power:g}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


@dataclass(frozen=True, eq=False)
class Also:
    """For the JSON schema: what a validator takes beside what the annotation says."""

    schema: dict[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [self.schema, handler(core)]}


LENGTH = Dimension(length=1)
MASS = Dimension(mass=1)
TIME = Dimension(time=1)
RATE = Dimension(time=-1)
MOMENTUM = Dimension(mass=1, length=1, time=-1)
ENERGY = Dimension(mass=1, length=2, time=-2)
ENERGY_SQUARED = Dimension(mass=2, length=4, time=-4)
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


# The same in JSON's words, for editors.
_NUMBER: dict[str, Any] = {"type": "number"}
_PAIR: dict[str, Any] = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
COMPLEX_SCHEMA: dict[str, Any] = {"anyOf": [_NUMBER, _PAIR]}
_ROW: dict[str, Any] = {"type": "array", "items": COMPLEX_SCHEMA, "minItems": 1}
MATRIX_SCHEMA: dict[str, Any] = {"type": "array", "items": _ROW, "minItems": 1}

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Complex = Annotated[complex, BeforeValidator(_complex), WithJsonSchema(COMPLEX_SCHEMA)]
Numbers = Annotated[list[float], Field(min_length=1), BeforeValidator(_numbers), Also(_NUMBER)]
Matrix = Annotated[list[list[complex]], PlainValidator(parse_matrix), WithJsonSchema(MATRIX_SCHEMA)]


def exactly_one(*keys: str, **more: Any) -> ConfigDict:
    """For the JSON schema of a section of which a validator wants one of some keys; more: what else it wants."""
    wanted: Any = {"oneOf": [{"required": [key]} for key in keys]} | more
    return ConfigDict(json_schema_extra=wanted)


class Operator(Section):
    """An operator: by its name, as a matrix, or as a sum of Pauli strings."""

    model_config = exactly_one("operator", "matrix", "pauli", dependentRequired={"part": ["matrix"]})

    operator: str | None = Field(None, description="the name of an operator of the system, or of [observables]")
    matrix: Matrix | None = Field(None, description="rows of numbers, complex ones as [real, imaginary]")
    pauli: str | None = Field(None, description='on a chain of spins: "0.5 X0 X1 + 0.5 Y0 Y1", sites from 0')
    part: str | None = Field(None, description='of a system of kind "tensor": the part that a matrix acts on')

    @model_validator(mode="after")
    def _one_of_three(self) -> "Operator":
        if sum(given is not None for given in (self.operator, self.matrix, self.pauli)) != 1:
            raise PydanticCustomError("one_of_three", "one of `operator`, `matrix` and `pauli`, and no other")
        if self.part is not None and self.matrix is None:
            raise PydanticCustomError("part", "`part` beside a `matrix` only; operators of parts are named part:name")
        return self


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

    parameters: Annotated[dict[str, FitParameter], Field(min_length=1)] = Field(
        description='by their keys, as "model.strength" = { start = 0.5 }; {} takes the value in the file'
    )
