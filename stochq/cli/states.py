"""The [state] table: what each trajectory starts from."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from stochq.cli.fields import LENGTH, MOMENTUM, Complex, Numbers, Positive, Section


class Basis(Section):
    """One state of the given basis."""

    kind: Literal["basis"]
    index: Annotated[int, Field(ge=0)]


class Eigenstate(Section):
    """One eigenstate of the Hamiltonian, energies ascending."""

    kind: Literal["eigenstate"]
    index: Annotated[int, Field(ge=0)]


class Superposition(Section):
    """Amplitudes in the given basis, up to a common factor: the state is normalised."""

    kind: Literal["superposition"]
    amplitudes: Annotated[list[Complex], Field(min_length=2)]


class Plus(Section):
    """Equal amplitudes on the whole basis; every spin along +x."""

    kind: Literal["plus"]


class Product(Section):
    """Spins in directions (θ, φ) each; one number stands for all of them."""

    kind: Literal["product"]
    theta: Annotated[Numbers, Field(description="angles from +z, in radians")]
    phi: Numbers = [0.0]


class Gaussian(Section):
    """A wave packet: σ_x = width, at position, moving with momentum; one number stands for every direction."""

    kind: Literal["gaussian"]
    width: Annotated[Numbers, LENGTH]
    position: Annotated[Numbers, LENGTH] = [0.0]
    momentum: Annotated[Numbers, MOMENTUM] = [0.0]


class Cat(Section):
    """Two equal wave packets at position ± separation/2 along the first direction, with a relative phase."""

    kind: Literal["cat"]
    width: Annotated[Positive, LENGTH]
    separation: Annotated[Positive, LENGTH]
    position: Annotated[float, LENGTH] = 0.0
    phase: float = 0.0


class Coherent(Section):
    """A coherent state of the oscillator."""

    kind: Literal["coherent"]
    alpha: Complex


class Squeezed(Section):
    """The squeezed vacuum of the oscillator, narrow in position for r > 0."""

    kind: Literal["squeezed"]
    r: float


State = Annotated[
    Basis | Eigenstate | Superposition | Plus | Product | Gaussian | Cat | Coherent | Squeezed, Discriminator("kind")
]
