"""The [model] table: which stochastic equation."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from stochq.cli.colours import Colour, ColouredNoise
from stochq.cli.detectors import Detector, Jump
from stochq.cli.feedback import Feedback
from stochq.cli.fields import (
    ENERGY,
    INVERSE_ENERGY,
    LENGTH,
    MASS,
    MATRIX_SCHEMA,
    RATE,
    Also,
    Dimension,
    NonNegative,
    Numbers,
    Positive,
    Section,
    parse_matrix,
)

Noise = Annotated[
    Literal["real", "complex", "unitary"],
    Field(description="the law of the noise: the same master equation, other single trajectories"),
]
Strength = Annotated[NonNegative, ENERGY]


class Microcanonical(Section):
    """Equal weights in the energy window of the initial state, symmetry sector by symmetry sector."""

    kind: Literal["microcanonical"]
    conserved: list[str] = Field([], description="names of observables that the Hamiltonian conserves")


class Canonical(Section):
    """Weights e^{-βE}."""

    kind: Literal["canonical"] = "canonical"
    beta: Annotated[float, INVERSE_ENERGY] = Field(description="the inverse temperature")


EQUILIBRIA = ("microcanonical", "canonical")


def _equilibrium_tag(value: object) -> str:
    if isinstance(value, list):
        return "weights"
    named = isinstance(value, dict) and value.get("kind") == "microcanonical"
    return "microcanonical" if named or isinstance(value, Microcanonical) else "canonical"


def _equilibrium(value: object) -> object:
    if value == "microcanonical":
        return {"kind": "microcanonical"}
    if isinstance(value, list) or isinstance(value, dict) and value.get("kind") in (None, *EQUILIBRIA):
        return value
    raise PydanticCustomError("equilibrium", '"microcanonical", { beta = ... }, or a list of weights')


Weights = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2)]
Equilibrium = Annotated[
    Annotated[Microcanonical, Tag("microcanonical")]
    | Annotated[Canonical, Tag("canonical")]
    | Annotated[Weights, Tag("weights")],
    Discriminator(_equilibrium_tag),
    BeforeValidator(_equilibrium),
    Also({"const": "microcanonical"}),
]


def _basis(value: object) -> object:
    if isinstance(value, list):
        return parse_matrix(value)
    if value in ("given", "energy", "x"):
        return value
    raise PydanticCustomError("basis", '"given", "energy", "x" (every spin along x) or a unitary matrix')


Basis = Annotated[
    str | list[list[complex]],
    PlainValidator(_basis),
    WithJsonSchema({"anyOf": [{"enum": ["given", "energy", "x"]}, MATRIX_SCHEMA]}),
    Field(
        description='the basis of the reduction: "given", "energy", "x" (all spins along x), or the columns of a matrix'
    ),
]


class Suv(Section):
    """Reduction in a basis (SUV)."""

    kind: Literal["suv"]
    strength: Annotated[NonNegative, ENERGY] = Field(description="the energy 𝒥𝒩")
    basis: Basis = "given"
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class Oqt(Section):
    """Thermalization in the energy basis (OQT)."""

    kind: Literal["oqt"]
    strength: Annotated[NonNegative, ENERGY] = Field(description="the energy α𝒩")
    equilibrium: Equilibrium = Field(description='"microcanonical", { beta = ... }, or a list of weights')
    noise: Noise = "real"


class Sui(Section):
    """Reduction and thermalization together (SUI)."""

    kind: Literal["sui"]
    reduction: Annotated[NonNegative, ENERGY] = Field(description="the energy 𝒥𝒩")
    thermalization: Annotated[NonNegative, ENERGY] = Field(description="the energy α𝒩")
    equilibrium: Equilibrium = Field(description='"microcanonical", { beta = ... }, or a list of weights')
    basis: Basis = "given"
    noise: Noise = "real"


class ColouredSuv(Section):
    """Reduction by noise with a memory; no master equation belongs to it."""

    kind: Literal["coloured_suv"]
    drift: Annotated[NonNegative, RATE] = Field(description="the rate J")
    coupling: Annotated[NonNegative, RATE] = Field(description="the rate G that multiplies the noise")
    colour: Colour = Field(description="the process that the noise is")
    variance: Positive | None = Field(None, description="the variance of the noise; 1, or 1/3 of a spherical one")
    basis: Basis = "given"
    single: bool = Field(False, description="two levels driven by one process instead of one each")


class Csl(Section):
    """Continuous spontaneous localization of a particle.

    The reference mass is the atomic mass unit where the file has [units], and 1 where it has none.
    """

    kind: Literal["csl"]
    rate: Annotated[NonNegative, RATE] = Field(description="the rate λ of one reference mass")
    length: Annotated[Positive, LENGTH] = Field(description="the localization length r_C")
    reference_mass: Annotated[Positive | None, MASS] = Field(
        None, description="the mass m0 of the rate; the atomic mass unit with [units], else 1"
    )
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


def _positions_tag(value: object) -> str:
    return "vectors" if isinstance(value, list) and value and isinstance(value[0], list) else "coordinates"


def _rectangular(rows: list[list[float]]) -> list[list[float]]:
    if len({len(row) for row in rows}) > 1:
        raise PydanticCustomError("rows", "lists of the same length")
    return rows


Vectors = Annotated[
    list[Annotated[list[float], Field(min_length=1)]], Field(min_length=1), AfterValidator(_rectangular), Tag("vectors")
]
Positions = Annotated[
    Annotated[list[float], Field(min_length=1), Tag("coordinates")] | Vectors, Discriminator(_positions_tag)
]


class CslLattice(Section):
    """CSL of particles on the sites of a lattice; in a spin chain a spin down is a particle."""

    kind: Literal["csl_lattice"]
    rate: Annotated[NonNegative, RATE] = Field(description="the rate λ of one reference mass")
    length: Annotated[Positive, LENGTH] = Field(description="the localization length r_C")
    positions: Annotated[Positions, LENGTH] = Field(description="of each site: one coordinate, or a list of them")
    occupations: Annotated[list[list[float]], AfterValidator(_rectangular)] | None = Field(
        None, description="particles on each site, for each basis state"
    )
    masses: Annotated[Numbers | None, MASS] = Field(None, description="one per site or one for all; the reference mass")
    reference_mass: Annotated[Positive | None, MASS] = Field(
        None, description="the mass m0 of the rate; the atomic mass unit with [units], else 1"
    )
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class Qmupl(Section):
    """Localization quadratic in the distance, the limit of CSL at short distances."""

    kind: Literal["qmupl"]
    rate: Annotated[NonNegative, Dimension(length=-2, time=-1)] = Field(description="the rate Λ, per length squared")
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class DiosiPenrose(Section):
    """Gravitational localization with Gaussian smearing."""

    kind: Literal["diosi_penrose"]
    gravity: Annotated[NonNegative, Dimension(mass=-1, length=3, time=-2)] = Field(description="the constant G")
    length: Annotated[Positive, LENGTH] = Field(description="the smearing R0")
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class EnergyDriven(Section):
    """Reduction in the energy basis, faster for larger energy differences."""

    kind: Literal["energy_driven"]
    strength: Annotated[NonNegative, Dimension(mass=-2, length=-4, time=3)] = Field(
        description="the rate σ, per energy squared"
    )
    noise: Noise = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class Brownian(Section):
    """Quantum Brownian motion of an oscillator with operators linear in q and p."""

    kind: Literal["brownian"]
    friction: Annotated[Positive, RATE] = Field(description="the rate η at which momentum decays")
    beta: Annotated[Positive, INVERSE_ENERGY] = Field(description="the inverse temperature of the bath")
    cross_diffusion: Annotated[float, ENERGY] = Field(0.0, description="D_qp")
    position_diffusion: Annotated[NonNegative | Literal["minimal"], Dimension(length=2, time=-1)] = Field(
        "minimal", description='D_qq; "minimal": the least that keeps density matrices positive'
    )
    squeezing: Annotated[float, RATE] = Field(0.0, description="the coefficient of (qp + pq)/2 in the Hamiltonian")
    position_friction: Annotated[NonNegative, RATE] = Field(0.0, description="the rate ξ at which position decays")
    noise: Literal["real", "complex"] = Field("real", description="the law of the noise")


class Unravel(Section):
    """Any list of jump operators."""

    kind: Literal["unravel"]
    jumps: Annotated[list[Jump], Field(min_length=1)] = Field(description="tables [[model.jumps]]")
    noise: Annotated[
        Literal["real", "complex", "unitary", "jump"],
        Field(description='the law of the noise; "jump": quantum jumps. The same master equation, other trajectories'),
    ] = "real"
    colour: ColouredNoise | None = Field(None, description='a spectrum of the noise, with noise = "unitary"')


class Monitored(Section):
    """Jump operators that detectors watch, each with a name; what they write down are records."""

    kind: Literal["monitored"]
    detectors: Annotated[dict[str, Detector], Field(min_length=1)] = Field(
        description="tables such as [model.detectors.current], with the kind of the detector"
    )
    feedback: Feedback | None = Field(None, description="a table [model.feedback]: what the records drive")


Model = Annotated[
    Suv
    | Oqt
    | Sui
    | ColouredSuv
    | Csl
    | CslLattice
    | Qmupl
    | DiosiPenrose
    | EnergyDriven
    | Brownian
    | Unravel
    | Monitored,
    Discriminator("kind"),
]
