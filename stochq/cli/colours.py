"""The tables of noise with a memory."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from stochq.cli.fields import TIME, NonNegative, Positive, Section


class OrnsteinUhlenbeck(Section):
    """A Lorentzian spectrum: correlations that decay exponentially."""

    kind: Literal["ornstein_uhlenbeck"]
    correlation_time: Annotated[Positive, TIME] = Field(description="the time τ in which correlations decay to 1/e")


class SumOfOrnsteinUhlenbeck(Section):
    """A sum of Lorentzian spectra."""

    kind: Literal["sum_of_ornstein_uhlenbeck"]
    weights: Annotated[list[NonNegative], Field(min_length=1)] = Field(description="of each, with sum 1")
    correlation_times: Annotated[list[Positive], Field(min_length=1), TIME] = Field(description="of each")


class Spherical(Section):
    """Brownian motion on a sphere, of which one coordinate is taken: bounded, with variance 1/3."""

    kind: Literal["spherical"]
    correlation_time: Annotated[Positive, TIME] = Field(description="the time τ in which correlations decay to 1/e")


ColouredNoise = Annotated[OrnsteinUhlenbeck | SumOfOrnsteinUhlenbeck, Discriminator("kind")]
Colour = Annotated[OrnsteinUhlenbeck | SumOfOrnsteinUhlenbeck | Spherical, Discriminator("kind")]
