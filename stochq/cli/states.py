"""The [state] table: what each trajectory starts from."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, field_validator
from pydantic_core import PydanticCustomError

from stochq.cli.fields import LENGTH, MOMENTUM, Complex, Numbers, Positive, Section


class Basis(Section):
    """One state of the given basis."""

    kind: Literal["basis"]
    index: Annotated[int, Field(ge=0)] = Field(description="which, from 0")


class Eigenstate(Section):
    """One eigenstate of the Hamiltonian, energies ascending."""

    kind: Literal["eigenstate"]
    index: Annotated[int, Field(ge=0)] = Field(description="which, from 0, the ground state")


class Superposition(Section):
    """Amplitudes in the given basis, up to a common factor: the state is normalised."""

    kind: Literal["superposition"]
    amplitudes: Annotated[list[Complex], Field(min_length=2)] = Field(
        description="one for each state, complex ones as [real, imaginary]"
    )

    @field_validator("amplitudes")
    @classmethod
    def _not_all_zero(cls, amplitudes: list[complex]) -> list[complex]:
        if not any(amplitudes):
            raise PydanticCustomError("zero", "at least one amplitude other than 0")
        return amplitudes


class Plus(Section):
    """Equal amplitudes on the whole basis; every spin along +x."""

    kind: Literal["plus"]


class Product(Section):
    """Spins in directions (θ, φ) each; one number stands for all of them."""

    kind: Literal["product"]
    theta: Annotated[Numbers, Field(description="angles from +z, in radians")]
    phi: Numbers = Field([0.0], description="angles around z, in radians")


class Gaussian(Section):
    """A wave packet: σ_x = width, at position, moving with momentum; one number stands for every direction."""

    kind: Literal["gaussian"]
    width: Annotated[Numbers, LENGTH] = Field(description="the standard deviation of the position")
    position: Annotated[Numbers, LENGTH] = Field([0.0], description="the mean position")
    momentum: Annotated[Numbers, MOMENTUM] = Field([0.0], description="the mean momentum")


class Cat(Section):
    """Two equal wave packets at position ± separation/2 along the first direction, with a relative phase."""

    kind: Literal["cat"]
    width: Annotated[Positive, LENGTH] = Field(description="the standard deviation of the position in each packet")
    separation: Annotated[Positive, LENGTH] = Field(description="from packet to packet")
    position: Annotated[float, LENGTH] = Field(0.0, description="the middle between them")
    phase: float = Field(0.0, description="of the right packet, in radians")


class Coherent(Section):
    """A coherent state of the oscillator."""

    kind: Literal["coherent"]
    alpha: Complex = Field(description="the eigenvalue of the annihilation operator, as [real, imaginary]")


class Squeezed(Section):
    """The squeezed vacuum of the oscillator, narrow in position for r > 0."""

    kind: Literal["squeezed"]
    r: float = Field(description="the position's standard deviation is e^{-r} times that of the vacuum")


Single = Annotated[
    Basis | Eigenstate | Superposition | Plus | Product | Gaussian | Cat | Coherent | Squeezed, Discriminator("kind")
]


class Parts(Section):
    """A product of a state of every part of a system of kind "tensor"."""

    kind: Literal["parts"]
    parts: Annotated[dict[str, Single], Field(min_length=2)] = Field(
        description="tables such as [state.parts.cavity], with the kind of each"
    )


State = Annotated[
    Basis | Eigenstate | Superposition | Plus | Product | Gaussian | Cat | Coherent | Squeezed | Parts,
    Discriminator("kind"),
]
