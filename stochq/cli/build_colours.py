"""The tables of coloured noise become processes."""

from functools import singledispatch
from typing import Any

import stochq as sq
from stochq.cli import colours
from stochq.cli.fields import Section


@singledispatch
def build_colour(section: Section | None) -> Any:
    """The process of a table, None for white noise."""
    return None


@build_colour.register
def _(section: colours.OrnsteinUhlenbeck) -> Any:
    return sq.noise.OrnsteinUhlenbeck(section.correlation_time)


@build_colour.register
def _(section: colours.SumOfOrnsteinUhlenbeck) -> Any:
    return sq.noise.SumOfOrnsteinUhlenbeck(section.weights, section.correlation_times)


@build_colour.register
def _(section: colours.Spherical) -> Any:
    return sq.noise.SphericalBrownian(section.correlation_time)
