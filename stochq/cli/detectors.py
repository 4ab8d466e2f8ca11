"""The tables of jump operators and of the detectors that watch them."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from stochq.cli.fields import RATE, NonNegative, Operator

Fraction = Annotated[float, Field(ge=0, le=1)]


class Jump(Operator):
    """One jump operator, times √rate.

    Where the file has [units], a named operator counts in its own: the rate is per second and per square of these.
    """

    rate: Annotated[NonNegative, RATE] = Field(
        description="multiplies the dissipator: the operator is taken times √rate"
    )


class Unread(Jump):
    """A jump operator that nobody watches."""

    kind: Literal["unread"]


class Counting(Jump):
    """A counter of the quanta that leave through a jump operator."""

    kind: Literal["counting"]
    efficiency: Fraction = Field(1.0, description="the share of the quanta that are counted")
    dark: Annotated[float, Field(ge=0)] = Field(0.0, description="the rate of clicks that nothing causes")


class Heterodyne(Jump):
    """Heterodyne detection of what leaves through a jump operator."""

    kind: Literal["heterodyne"]
    efficiency: Fraction = Field(1.0, description="the share of the signal that is detected")
    gain: float = Field(1.0, description="multiplies the record")
    offset: float = Field(0.0, description="added to the record")
    noise: NonNegative = Field(0.0, description="electronic noise in units of the shot noise's power")


class Homodyne(Heterodyne):
    """Homodyne detection of one quadrature of what leaves through a jump operator."""

    kind: Literal["homodyne"]  # pyright: ignore[reportIncompatibleVariableOverride]
    phase: float = Field(0.0, description="that of the local oscillator, in radians")


Detector = Annotated[Homodyne | Heterodyne | Counting | Unread, Discriminator("kind")]
