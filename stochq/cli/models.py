"""The [model] table: which stochastic equation."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator
from pydantic_core import PydanticCustomError

from stochq.cli.fields import (
    ENERGY,
    INVERSE_ENERGY,
    LENGTH,
    MASS,
    RATE,
    Dimension,
    Matrix,
    NonNegative,
    Numbers,
    Positive,
    Section,
    parse_matrix,
)

Noise = Literal["real", "complex", "unitary"]


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
]


def _basis(value: object) -> object:
    if isinstance(value, list):
        return parse_matrix(value)
    if value in ("given", "energy", "x"):
        return value
    raise PydanticCustomError("basis", '"given", "energy", "x" (every spin along x) or a unitary matrix')


Basis = Annotated[str | list[list[complex]], PlainValidator(_basis)]


class Suv(Section):
    """Reduction in a basis (SUV)."""

    kind: Literal["suv"]
    strength: Annotated[NonNegative, ENERGY] = Field(description="the energy 𝒥𝒩")
    basis: Basis = "given"
    noise: Noise = "real"


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


class Csl(Section):
    """Continuous spontaneous localization of a particle.

    The reference mass is the atomic mass unit where the file has [units], and 1 where it has none.
    """

    kind: Literal["csl"]
    rate: Annotated[NonNegative, RATE] = Field(description="the rate λ of one reference mass")
    length: Annotated[Positive, LENGTH] = Field(description="the localization length r_C")
    reference_mass: Annotated[Positive | None, MASS] = None
    noise: Noise = "real"


class CslLattice(Section):
    """CSL of particles on the sites of a lattice; in a spin chain a spin down is a particle."""

    kind: Literal["csl_lattice"]
    rate: Annotated[NonNegative, RATE] = Field(description="the rate λ of one reference mass")
    length: Annotated[Positive, LENGTH] = Field(description="the localization length r_C")
    positions: Annotated[list[float], Field(min_length=1), LENGTH] = Field(description="one coordinate per site")
    occupations: list[list[float]] | None = Field(None, description="particles on each site, for each basis state")
    masses: Annotated[Numbers | None, MASS] = Field(None, description="one per site or one for all; the reference mass")
    reference_mass: Annotated[Positive | None, MASS] = None
    noise: Noise = "real"


class Qmupl(Section):
    """Localization quadratic in the distance, the limit of CSL at short distances."""

    kind: Literal["qmupl"]
    rate: Annotated[NonNegative, Dimension(length=-2, time=-1)] = Field(description="the rate Λ, per length squared")
    noise: Noise = "real"


class DiosiPenrose(Section):
    """Gravitational localization with Gaussian smearing."""

    kind: Literal["diosi_penrose"]
    gravity: Annotated[NonNegative, Dimension(mass=-1, length=3, time=-2)] = Field(description="the constant G")
    length: Annotated[Positive, LENGTH] = Field(description="the smearing R0")
    noise: Noise = "real"


class EnergyDriven(Section):
    """Reduction in the energy basis, faster for larger energy differences."""

    kind: Literal["energy_driven"]
    strength: Annotated[NonNegative, Dimension(mass=-2, length=-4, time=3)]
    noise: Noise = "real"


class Brownian(Section):
    """Quantum Brownian motion of an oscillator with operators linear in q and p."""

    kind: Literal["brownian"]
    friction: Annotated[Positive, RATE]
    beta: Annotated[Positive, INVERSE_ENERGY]
    cross_diffusion: Annotated[float, ENERGY] = 0.0
    position_diffusion: Annotated[NonNegative | Literal["minimal"], Dimension(length=2, time=-1)] = "minimal"
    squeezing: Annotated[float, RATE] = 0.0
    position_friction: Annotated[NonNegative, RATE] = 0.0
    noise: Literal["real", "complex"] = "real"


class Jump(Section):
    """One jump operator: a named operator of the system or a matrix, times √rate.

    Where the file has [units], a named operator counts in its own: the rate is per second and per square of these.
    """

    rate: Annotated[NonNegative, RATE]
    operator: str | None = None
    matrix: Matrix | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Jump":
        if (self.operator is None) == (self.matrix is None):
            raise PydanticCustomError("one_of_two", "either `operator` or `matrix`, and not both")
        return self


class Unravel(Section):
    """Any list of jump operators."""

    kind: Literal["unravel"]
    jumps: Annotated[list[Jump], Field(min_length=1)]
    noise: Noise = "real"


Fraction = Annotated[float, Field(ge=0, le=1)]


class Unread(Jump):
    """A jump operator that nobody watches."""

    kind: Literal["unread"]


class Counting(Jump):
    """A counter of the quanta that leave through a jump operator."""

    kind: Literal["counting"]
    efficiency: Fraction = 1.0
    dark: Annotated[float, Field(ge=0)] = Field(0.0, description="the rate of clicks that nothing causes")


class Heterodyne(Jump):
    """Heterodyne detection of what leaves through a jump operator."""

    kind: Literal["heterodyne"]
    efficiency: Fraction = 1.0
    gain: float = 1.0
    offset: float = 0.0
    noise: NonNegative = Field(0.0, description="electronic noise in units of the shot noise's power")


class Homodyne(Heterodyne):
    """Homodyne detection of one quadrature of what leaves through a jump operator."""

    kind: Literal["homodyne"]  # pyright: ignore[reportIncompatibleVariableOverride]
    phase: float = Field(0.0, description="that of the local oscillator, in radians")


Detector = Annotated[Homodyne | Heterodyne | Counting | Unread, Discriminator("kind")]


class Monitored(Section):
    """Jump operators that detectors watch, each with a name; what they write down are records."""

    kind: Literal["monitored"]
    detectors: Annotated[dict[str, Detector], Field(min_length=1)] = Field(
        description="tables such as [model.detectors.current], with the kind of the detector"
    )


Model = Annotated[
    Suv | Oqt | Sui | Csl | CslLattice | Qmupl | DiosiPenrose | EnergyDriven | Brownian | Unravel | Monitored,
    Discriminator("kind"),
]
