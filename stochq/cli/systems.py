"""The [system] table: where it happens."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.fields import (
    ENERGY,
    LENGTH,
    MASS,
    RATE,
    Also,
    Complex,
    Matrix,
    NonNegative,
    Numbers,
    Positive,
    Section,
    exactly_one,
)


class Levels(Section):
    """A few levels, by their energies or by the matrix of the Hamiltonian."""

    model_config = exactly_one("energies", "matrix")

    kind: Literal["levels"]
    energies: Annotated[list[float] | None, ENERGY] = Field(None, min_length=1, description="one of each level")
    matrix: Annotated[Matrix | None, ENERGY] = Field(
        None, description="the Hamiltonian: rows of numbers, complex ones as [real, imaginary]"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "Levels":
        if (self.energies is None) == (self.matrix is None):
            raise PydanticCustomError("one_of_two", "either `energies` or `matrix`, and not both")
        return self


def _sites_tag(value: object) -> str:
    return "lattice" if isinstance(value, list) else "chain"


_Lattice = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2), Tag("lattice")]
Sites = Annotated[
    Annotated[Annotated[int, Field(ge=1)], Tag("chain")] | _Lattice,
    Discriminator(_sites_tag),
    Field(description="the number of spins of a chain, or [columns, rows] of a square lattice with site x + columns·y"),
]
# For the JSON schema: square lattices and couplings of long range are never matrices.
_ONLY_FREE: dict[str, Any] = {
    "anyOf": [
        {"required": ["exponent"]},
        {"properties": {"sites": {"type": "array", "description": "a square lattice"}}},
    ]
}
_FREE: dict[str, Any] = {
    "anyOf": [
        *_ONLY_FREE["anyOf"],
        {
            "properties": {"matrix_free": {"const": True, "description": "no matrix"}},
            "required": ["matrix_free"],
        },
    ]
}
_NO_MATRIX: dict[str, Any] = {
    "if": _ONLY_FREE,
    "then": {"properties": {"matrix_free": {"const": True, "description": "or left out"}}},
}
_NO_SECTOR: dict[str, Any] = {
    "if": _FREE,
    "then": {"not": {"anyOf": [{"required": ["magnetization"]}, {"required": ["parity"]}]}},
}
_PAIR: dict[str, Any] = {"properties": {"sites": {"not": {"const": 1}, "description": "two or more"}}}


class Spin(Section):
    """Spins 1/2 on a chain or a square lattice whose couplings are the same everywhere."""

    model_config = ConfigDict(json_schema_extra=_NO_MATRIX)

    sites: Sites
    periodic: bool = Field(False, description="whether opposite ends are neighbours: a ring, or a torus")
    exponent: NonNegative | None = Field(
        None, description="α of couplings that fall as 1/r^α between all pairs; default: neighbours alone"
    )
    matrix_free: bool | None = Field(
        None, description="whether no matrix is made; default: above 12 sites, on lattices and at long range"
    )

    @property
    def shape(self) -> int | tuple[int, int]:
        """The number of sites of a chain, (columns, rows) of a lattice."""
        if not isinstance(self.sites, list):
            return self.sites
        columns, rows = self.sites
        return columns, rows

    @property
    def spins(self) -> int:
        """The number of spins."""
        return math.prod(self.sites) if isinstance(self.sites, list) else self.sites

    @model_validator(mode="after")
    def _never_a_matrix(self) -> Self:
        if self.matrix_free is False and (isinstance(self.sites, list) or self.exponent is not None):
            raise PydanticCustomError(
                "matrix_free",
                "no `matrix_free = false`, as square lattices and couplings of long range are never matrices",
            )
        return self


class Ising(Spin):
    """Spins with Ising coupling in transverse and longitudinal fields."""

    kind: Literal["ising"]
    coupling: Annotated[float, ENERGY] = Field(description="J of -J sigma_z sigma_z on every bond")
    transverse: Annotated[float, ENERGY] = Field(description="g of -g sigma_x on every site")
    longitudinal: Annotated[float, ENERGY] = Field(0.0, description="h of -h sigma_z on every site")


class Xxz(Spin):
    """Spins with XXZ coupling."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_NO_MATRIX, _NO_SECTOR, _PAIR]})

    kind: Literal["xxz"]
    coupling: Annotated[float, ENERGY] = Field(description="J of the exchange")
    anisotropy: float = Field(description="Δ: the coupling of z components over that of x and y")
    field: Annotated[float, ENERGY] = Field(0.0, description="the magnetic field along z")
    magnetization: float | None = Field(None, description="total S_z of the sector")
    parity: Literal[-1, 1] | None = Field(None, description="under reflection, of the sector")

    @model_validator(mode="after")
    def _no_sector_without_a_matrix(self) -> "Xxz":
        free = isinstance(self.sites, list) or self.exponent is not None or self.matrix_free
        if free and not (self.magnetization is None and self.parity is None):
            raise PydanticCustomError(
                "sector",
                "no `magnetization` and no `parity`, which are of chains that are matrices: a state that starts in a "
                "sector stays in it",
            )
        return self


class Spins(Section):
    """Spins 1/2 with any couplings: a sum of Pauli strings."""

    kind: Literal["spins"]
    sites: Annotated[int, Field(ge=1, le=30, description="the number of spins")]
    terms: Annotated[dict[str, float], Field(min_length=1), ENERGY] = Field(
        description='coefficients by string: { "Z0 Z1" = -1.0, "X0" = -0.5 }'
    )

    @property
    def spins(self) -> int:
        """The number of spins."""
        return self.sites


class Free(Section):
    """No potential."""

    kind: Literal["free"]


class Harmonic(Section):
    """m ω² r² / 2; one frequency for all directions, or one each."""

    kind: Literal["harmonic"]
    frequency: Annotated[Numbers, RATE] = Field(description="the angular frequency ω")


class DoubleWell(Section):
    """Two minima at ±separation/2 along the first direction, with a barrier of the given height between them."""

    kind: Literal["double_well"]
    separation: Annotated[Positive, LENGTH] = Field(description="from minimum to minimum")
    barrier: Annotated[Positive, ENERGY] = Field(description="the height between them")
    transverse_frequency: Annotated[NonNegative, RATE] = Field(0.0, description="ω of the other directions")


def _named(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


Potential = Annotated[Free | Harmonic | DoubleWell, Discriminator("kind")]
FREE = Also({"const": "free"})


class Particle(Section):
    """A particle on a periodic grid. Without a mass it has the unit of mass."""

    kind: Literal["particle"]
    points: Annotated[int, Field(ge=4, description="grid points per direction")]
    length: Annotated[Positive, LENGTH] = Field(description="length of the periodic box")
    mass: Annotated[Positive | None, MASS] = Field(None, description="default: one internal unit")
    potential: Annotated[Potential, BeforeValidator(_named), FREE] = Field(
        Free(kind="free"), description='"free", or a table with the kind of the potential'
    )
    dimensions: Annotated[int, Field(ge=1, le=3)] = Field(1, description="of the grid")


class Oscillator(Section):
    """A harmonic oscillator in the Fock states below the cutoff; frequency and mass are 1 internally if not given."""

    kind: Literal["oscillator"]
    cutoff: Annotated[int, Field(ge=2, description="the number of Fock states")]
    frequency: Annotated[Positive | None, RATE] = Field(None, description="the angular frequency ω")
    mass: Annotated[Positive | None, MASS] = Field(None, description="default: one internal unit")


class Kerr(Section):
    """A driven oscillator whose frequency depends on its number, in the frame of the drive."""

    kind: Literal["kerr"]
    cutoff: Annotated[int, Field(ge=2, description="the number of Fock states")]
    detuning: Annotated[float, ENERGY] = Field(0.0, description="Δ of Δ n, the frequency over that of the drive")
    kerr: Annotated[float, ENERGY] = Field(description="the coefficient of n(n - 1)/2")
    drive: Annotated[float, ENERGY] = Field(0.0, description="the coefficient of a + a†")


Single = Annotated[Levels | Ising | Xxz | Spins | Particle | Oscillator | Kerr, Discriminator("kind")]


class Coupling(Section):
    """A number times a product of operators of the parts; all of them together are Hermitian."""

    strength: Annotated[Complex, ENERGY] = Field(
        description="the number, complex as [real, imaginary]: an energy per unit of the named operators"
    )
    operators: Annotated[dict[str, str | Matrix], Field(min_length=1)] = Field(
        description='by part, each by name or as a matrix: { cavity = "annihilation", atom = [[0, 0], [1, 0]] }'
    )


class Tensor(Section):
    """Systems beside each other, coupled or not. Operators of a part are named with it, as "cavity:number"."""

    kind: Literal["tensor"]
    parts: Annotated[dict[str, Single], Field(min_length=2)] = Field(
        description="tables such as [system.parts.cavity], with the kind of each; the last one changes fastest"
    )
    coupling: list[Coupling] = Field([], description="tables [[system.coupling]], which are added up")


System = Annotated[
    Levels | Ising | Xxz | Spins | Particle | Oscillator | Kerr | Tensor,
    Discriminator("kind"),
]
