"""The [system] table becomes a Hamiltonian."""

import math
from functools import singledispatch
from typing import Any

import stochq as sq
from stochq.cli import systems as sections
from stochq.cli.build_operators import as_plain, operator_of, system_operators
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.fields import Operator
from stochq.cli.units import Scales, factor
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.potentials import Potential


@singledispatch
def build_system(section: Any, scales: Scales, place: str) -> Hamiltonian:
    """The Hamiltonian of a section in internal units.

    Raises:
        ConfigError: for parts that do not fit together.
        ValueError: from the library.
    """
    raise TypeError(f"no system is made from {type(section).__name__}")


@build_system.register
def _(section: sections.Levels, scales: Scales, place: str) -> Hamiltonian:
    given = section.matrix if section.energies is None else section.energies
    assert given is not None  # one of them is there: the section checks it
    return sq.systems.levels(given)


@build_system.register
def _(section: sections.Ising, scales: Scales, place: str) -> Hamiltonian:
    return sq.systems.ising(
        section.shape,
        section.coupling,
        section.transverse,
        section.longitudinal,
        periodic=section.periodic,
        exponent=section.exponent,
        matrix_free=section.matrix_free,
    )


@build_system.register
def _(section: sections.Xxz, scales: Scales, place: str) -> Hamiltonian:
    return sq.systems.xxz(
        section.shape,
        section.coupling,
        section.anisotropy,
        field=section.field,
        periodic=section.periodic,
        magnetization=section.magnetization,
        parity=section.parity,
        exponent=section.exponent,
        matrix_free=section.matrix_free,
    )


@build_system.register
def _(section: sections.Particle, scales: Scales, place: str) -> Hamiltonian:
    return sq.systems.particle(
        section.points,
        section.length,
        1.0 if section.mass is None else section.mass,
        _potential(section.potential),
        dimensions=section.dimensions,
        hbar=scales.hbar,
    )


@build_system.register
def _(section: sections.Oscillator, scales: Scales, place: str) -> Hamiltonian:
    frequency, mass = (1.0 if value is None else value for value in (section.frequency, section.mass))
    return sq.systems.oscillator(section.cutoff, frequency=frequency, mass=mass, hbar=scales.hbar)


@build_system.register
def _(section: sections.Kerr, scales: Scales, place: str) -> Hamiltonian:
    return sq.systems.kerr(section.cutoff, section.detuning, section.kerr, section.drive)


@build_system.register
def _(section: sections.Spins, scales: Scales, place: str) -> Hamiltonian:
    return sq.systems.spins(section.sites, section.terms)


@build_system.register
def _(section: sections.Tensor, scales: Scales, place: str) -> Hamiltonian:
    for name in section.parts:
        if name == "coupling" or ":" in name:
            expected = "a name of a part without a colon, and not `coupling`"
            raise ConfigError(report(place, "system.parts", expected, repr(name)))
    made = {name: build_system(part, scales, place) for name, part in section.parts.items()}
    terms = [
        (
            coupling.strength * _unit_of_product(coupling, scales),
            _product(coupling, f"system.coupling[{i}]", section, made, place),
        )
        for i, coupling in enumerate(section.coupling)
    ]
    return sq.systems.tensor(coupling=terms, **made)


def _product(
    coupling: sections.Coupling, key: str, section: sections.Tensor, made: dict[str, Hamiltonian], place: str
) -> dict[str, Any]:
    """The operators of a term by part."""
    product = {}
    for part, operator in coupling.operators.items():
        if part not in made:
            expected = f"one of {', '.join(made)}{nearest(part, made)}"
            raise ConfigError(report(place, f"{key}.operators", expected, repr(part)))
        given = not isinstance(operator, str)
        table = Operator.model_construct(operator=None if given else operator, matrix=operator if given else None)
        known = system_operators(section.parts[part], made[part])
        where = f"{key}.operators.{part}"
        product[part] = as_plain(operator_of(table, where, section.parts[part], made[part], known, place))
    return product


def _unit_of_product(coupling: sections.Coupling, scales: Scales) -> float:
    """What one internal unit of the product of the named operators is worth."""
    names = [f"{part}:{name}" for part, name in coupling.operators.items() if isinstance(name, str)]
    return math.prod(factor(name, scales) for name in names)


def _potential(section: sections.Potential) -> Potential | str:
    if isinstance(section, sections.Harmonic):
        frequencies = section.frequency
        return sq.systems.harmonic(frequencies[0] if len(frequencies) == 1 else frequencies)
    if isinstance(section, sections.DoubleWell):
        return sq.systems.double_well(section.separation, section.barrier, section.transverse_frequency)
    return "free"
