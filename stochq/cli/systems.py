"""The [system] table: where it happens."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.fields import ENERGY, LENGTH, MASS, RATE, Matrix, NonNegative, Numbers, Positive, Section


class Levels(Section):
    """A few levels, by their energies or by the matrix of the Hamiltonian."""

    kind: Literal["levels"]
    energies: Annotated[list[float] | None, ENERGY] = Field(None, min_length=1)
    matrix: Annotated[Matrix | None, ENERGY] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Levels":
        if (self.energies is None) == (self.matrix is None):
            raise PydanticCustomError("one_of_two", "either `energies` or `matrix`, and not both")
        return self


class Ising(Section):
    """A spin chain with Ising coupling in transverse and longitudinal fields."""

    kind: Literal["ising"]
    sites: Annotated[int, Field(ge=1, description="the number of spins")]
    coupling: Annotated[float, ENERGY]
    transverse: Annotated[float, ENERGY]
    longitudinal: Annotated[float, ENERGY] = 0.0
    periodic: bool = False


class Xxz(Section):
    """A spin chain with XXZ coupling."""

    kind: Literal["xxz"]
    sites: Annotated[int, Field(ge=2, description="the number of spins")]
    coupling: Annotated[float, ENERGY]
    anisotropy: float
    field: Annotated[float, ENERGY] = 0.0
    periodic: bool = False
    magnetization: float | None = Field(None, description="total S_z of the sector")
    parity: Literal[-1, 1] | None = None


class Free(Section):
    """No potential."""

    kind: Literal["free"]


class Harmonic(Section):
    """m ω² r² / 2; one frequency for all directions, or one each."""

    kind: Literal["harmonic"]
    frequency: Annotated[Numbers, RATE]


class DoubleWell(Section):
    """Two minima at ±separation/2 along the first direction, with a barrier of the given height between them."""

    kind: Literal["double_well"]
    separation: Annotated[Positive, LENGTH]
    barrier: Annotated[Positive, ENERGY]
    transverse_frequency: Annotated[NonNegative, RATE] = 0.0


def _named(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


Potential = Annotated[Free | Harmonic | DoubleWell, Discriminator("kind")]


class Particle(Section):
    """A particle on a periodic grid. Without a mass it has the unit of mass."""

    kind: Literal["particle"]
    points: Annotated[int, Field(ge=4, description="grid points per direction")]
    length: Annotated[Positive, LENGTH] = Field(description="length of the periodic box")
    mass: Annotated[Positive | None, MASS] = None
    potential: Annotated[Potential, BeforeValidator(_named)] = Free(kind="free")
    dimensions: Annotated[int, Field(ge=1, le=3)] = 1


class Oscillator(Section):
    """A harmonic oscillator in the Fock states below the cutoff; frequency and mass are 1 internally if not given."""

    kind: Literal["oscillator"]
    cutoff: Annotated[int, Field(ge=2, description="the number of Fock states")]
    frequency: Annotated[Positive | None, RATE] = None
    mass: Annotated[Positive | None, MASS] = None


class Kerr(Section):
    """A driven oscillator whose frequency depends on its number, in the frame of the drive."""

    kind: Literal["kerr"]
    cutoff: Annotated[int, Field(ge=2, description="the number of Fock states")]
    detuning: Annotated[float, ENERGY] = 0.0
    kerr: Annotated[float, ENERGY]
    drive: Annotated[float, ENERGY] = 0.0


System = Annotated[Levels | Ising | Xxz | Particle | Oscillator | Kerr, Discriminator("kind")]
