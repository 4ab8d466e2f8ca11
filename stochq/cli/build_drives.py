"""The tables [[drives]] become functions of the time."""

from functools import singledispatch

import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.arrays import Number
from stochq.cli import drives as sections
from stochq.cli.fields import Section
from stochq.systems.driven import Coefficient


@singledispatch
def build_drive(section: Section, unit: float) -> Coefficient:
    """The coefficient of a drive's operator, in internal units.

    Args:
        section: of one of the kinds of `stochq.cli.drives`.
        unit: what multiplies it, as the operator was made in internal units too.
    """
    raise TypeError(f"no drive is made from {type(section).__name__}")


@build_drive.register
def _(section: sections.Cosine, unit: float) -> Coefficient:
    def cosine(t: Number) -> Number:
        return unit * section.amplitude * jnp.cos(section.frequency * t + section.phase)

    return cosine


@build_drive.register
def _(section: sections.Pulse, unit: float) -> Coefficient:
    def pulse(t: Number) -> Number:
        since = t - section.centre
        envelope = unit * section.amplitude * jnp.exp(-(since**2) / (2 * section.width**2))
        return envelope * jnp.cos(section.frequency * since + section.phase)

    return pulse


@build_drive.register
def _(section: sections.Sampled, unit: float) -> Coefficient:
    values = unit * np.asarray(section.values)
    return sq.systems.sampled(section.times, values, interpolation=section.interpolation)
