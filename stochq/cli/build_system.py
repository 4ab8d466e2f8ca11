"""The [system] table becomes a Hamiltonian."""

from functools import singledispatch
from typing import Any

import stochq as sq
from stochq.cli import systems as sections
from stochq.cli.units import Scales
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.potentials import Potential


@singledispatch
def build_system(section: Any, scales: Scales) -> Hamiltonian:
    """The Hamiltonian of a section in internal units. Raises: ValueError from the library."""
    raise TypeError(f"no system is made from {type(section).__name__}")


@build_system.register
def _(section: sections.Levels, scales: Scales) -> Hamiltonian:
    given = section.matrix if section.energies is None else section.energies
    assert given is not None  # one of them is there: the section checks it
    return sq.systems.levels(given)


@build_system.register
def _(section: sections.Ising, scales: Scales) -> Hamiltonian:
    return sq.systems.ising(
        section.sites, section.coupling, section.transverse, section.longitudinal, periodic=section.periodic
    )


@build_system.register
def _(section: sections.Xxz, scales: Scales) -> Hamiltonian:
    return sq.systems.xxz(
        section.sites,
        section.coupling,
        section.anisotropy,
        field=section.field,
        periodic=section.periodic,
        magnetization=section.magnetization,
        parity=section.parity,
    )


@build_system.register
def _(section: sections.Particle, scales: Scales) -> Hamiltonian:
    return sq.systems.particle(
        section.points,
        section.length,
        1.0 if section.mass is None else section.mass,
        _potential(section.potential),
        dimensions=section.dimensions,
        hbar=scales.hbar,
    )


@build_system.register
def _(section: sections.Oscillator, scales: Scales) -> Hamiltonian:
    frequency, mass = (1.0 if value is None else value for value in (section.frequency, section.mass))
    return sq.systems.oscillator(section.cutoff, frequency=frequency, mass=mass, hbar=scales.hbar)


@build_system.register
def _(section: sections.Kerr, scales: Scales) -> Hamiltonian:
    return sq.systems.kerr(section.cutoff, section.detuning, section.kerr, section.drive)


def _potential(section: sections.Potential) -> Potential | str:
    if isinstance(section, sections.Harmonic):
        frequencies = section.frequency
        return sq.systems.harmonic(frequencies[0] if len(frequencies) == 1 else frequencies)
    if isinstance(section, sections.DoubleWell):
        return sq.systems.double_well(section.separation, section.barrier, section.transverse_frequency)
    return "free"
