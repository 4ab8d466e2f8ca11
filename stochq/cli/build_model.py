"""The [model] table becomes an equation."""

import dataclasses
from dataclasses import dataclass
from functools import reduce, singledispatch
from typing import Any

import numpy as np
from scipy.constants import atomic_mass

import stochq as sq
from stochq.arrays import ArrayLike, square_root
from stochq.cli import models as sections
from stochq.cli import systems
from stochq.cli.build_colours import build_colour
from stochq.cli.build_operators import Maker, as_plain, operator_of
from stochq.cli.detectors import Jump
from stochq.cli.errors import ConfigError, located, nearest, report
from stochq.cli.fields import ENERGY, MASS, Section
from stochq.cli.units import Scales, factor
from stochq.systems.embedded import Embedded
from stochq.systems.equilibrium import Window
from stochq.systems.typicality import Equilibrium

# What the table of a detector has beside the arguments of the detector.
_OF_JUMPS = ("kind", *Jump.model_fields)


@dataclass(frozen=True)
class Setting:
    """Where a model finds itself: the [system] table, its Hamiltonian, the initial state, the units, the file.

    notes collects lines worth printing; known are makers of operators by name.
    """

    system: Section
    hamiltonian: Any  # of the class that the kind of the system makes, with its drives
    bare: Any  # the same without drives
    psi0: np.ndarray
    scales: Scales
    place: str
    notes: list[str]
    known: dict[str, Maker]


@singledispatch
def build_model(section: Section, setting: Setting) -> sq.Equation:
    """The equation of a section in internal units.

    Raises:
        ConfigError: if the model is none for this system.
        ValueError: from the library.
    """
    raise TypeError(f"no equation is made from {type(section).__name__}")


@build_model.register
def _(section: sections.Suv, setting: Setting) -> sq.Equation:
    basis = _basis(section.basis, setting)
    hbar = setting.scales.hbar
    return sq.models.suv(
        setting.hamiltonian,
        strength=section.strength,
        basis=basis,
        hbar=hbar,
        noise=section.noise,
        colour=build_colour(section.colour),
    )


@build_model.register
def _(section: sections.ColouredSuv, setting: Setting) -> sq.Equation:
    return sq.models.coloured_suv(
        setting.hamiltonian,
        drift=section.drift,
        coupling=section.coupling,
        colour=build_colour(section.colour),
        variance=section.variance,
        basis=_basis(section.basis, setting),
        single=section.single,
        hbar=setting.scales.hbar,
    )


@build_model.register
def _(section: sections.Oqt, setting: Setting) -> sq.Equation:
    return sq.models.oqt(
        setting.hamiltonian,
        strength=section.strength,
        equilibrium=_equilibrium(section.equilibrium, setting),
        hbar=setting.scales.hbar,
        noise=section.noise,
    )


@build_model.register
def _(section: sections.Sui, setting: Setting) -> sq.Equation:
    return sq.models.sui(
        setting.hamiltonian,
        reduction=section.reduction,
        thermalization=section.thermalization,
        equilibrium=_equilibrium(section.equilibrium, setting),
        basis=_basis(section.basis, setting),
        hbar=setting.scales.hbar,
        noise=section.noise,
    )


@build_model.register
def _(section: sections.Csl, setting: Setting) -> sq.Equation:
    _require(section, setting, systems.Particle)
    mass = _reference_mass(section.reference_mass, setting.scales)
    return sq.models.csl(
        setting.hamiltonian,
        rate=section.rate,
        length=section.length,
        reference_mass=mass,
        noise=section.noise,
        colour=build_colour(section.colour),
    )


@build_model.register
def _(section: sections.CslLattice, setting: Setting) -> sq.Equation:
    reference = _reference_mass(section.reference_mass, setting.scales)
    given = section.masses or [reference]
    masses = given[0] if len(given) == 1 else given
    return sq.models.csl_lattice(
        setting.hamiltonian,
        occupations=_occupations(section, setting),
        positions=section.positions,
        rate=section.rate,
        length=section.length,
        masses=masses,
        reference_mass=reference,
        hbar=setting.scales.hbar,
        noise=section.noise,
        colour=build_colour(section.colour),
    )


@build_model.register
def _(section: sections.Qmupl, setting: Setting) -> sq.Equation:
    _require(section, setting, systems.Particle, systems.Oscillator)
    colour = build_colour(section.colour)
    return sq.models.qmupl(setting.hamiltonian, rate=section.rate, noise=section.noise, colour=colour)


@build_model.register
def _(section: sections.DiosiPenrose, setting: Setting) -> sq.Equation:
    _require(section, setting, systems.Particle)
    return sq.models.diosi_penrose(
        setting.hamiltonian,
        gravity=section.gravity,
        length=section.length,
        noise=section.noise,
        colour=build_colour(section.colour),
    )


@build_model.register
def _(section: sections.EnergyDriven, setting: Setting) -> sq.Equation:
    return sq.models.energy_driven(
        setting.hamiltonian,
        strength=section.strength,
        hbar=setting.scales.hbar,
        noise=section.noise,
        colour=build_colour(section.colour),
    )


@build_model.register
def _(section: sections.Brownian, setting: Setting) -> sq.Equation:
    _require(section, setting, systems.Oscillator)
    return sq.models.brownian(
        setting.hamiltonian,
        friction=section.friction,
        beta=section.beta,
        cross_diffusion=section.cross_diffusion,
        position_diffusion=section.position_diffusion,
        squeezing=section.squeezing,
        position_friction=section.position_friction,
        noise=section.noise,
    )


@build_model.register
def _(section: sections.Unravel, setting: Setting) -> sq.Equation:
    jumps = [
        _jump(jump, f"jumps[{i}]", setting) * (np.sqrt(jump.rate) * factor(jump.operator or "", setting.scales))
        for i, jump in enumerate(section.jumps)
    ]
    return sq.models.unravel(
        setting.hamiltonian, jumps, noise=section.noise, hbar=setting.scales.hbar, colour=build_colour(section.colour)
    )


@build_model.register
def _(section: sections.Monitored, setting: Setting) -> sq.Equation:
    if setting.scales != Scales():
        expected = "no [units] with detectors, whose records have the unit of a current: give all numbers in one system"
        raise ConfigError(report(setting.place, "units", expected, "this table"))
    detectors = {}
    for name, one in section.detectors.items():
        operator = square_root(one.rate) * as_plain(_jump(one, f"detectors.{name}", setting))
        known = {key: getattr(one, key) for key in type(one).model_fields if key not in _OF_JUMPS}
        with located(setting.place, {f"model.detectors.{name}": one}):
            detectors[name] = getattr(sq.measurement, one.kind)(operator, **known)
    return sq.models.monitored(setting.hamiltonian, detectors, hbar=setting.scales.hbar)


def _require(section: Section, setting: Setting, *kinds: type) -> None:
    if not isinstance(setting.system, kinds):
        allowed = " or ".join(f'"{kind.model_fields["kind"].annotation.__args__[0]}"' for kind in kinds)
        expected = f'a model for a system of kind "{setting.system.kind}"; "{section.kind}" is for {allowed}'
        raise ConfigError(report(setting.place, "model.kind", expected, f'"{section.kind}"'))
    if setting.hamiltonian is not setting.bare:
        expected = f'no tables [[drives]] with a model of kind "{section.kind}", which is of a system without them'
        raise ConfigError(report(setting.place, "drives", expected, "one or more"))


def _basis(basis: str | ArrayLike, setting: Setting) -> np.ndarray | str | None:
    """Columns (dim, dim) of a basis, "x" where there are no matrices, None for the given one."""
    if basis == "given":
        return None
    if basis == "energy":
        return setting.hamiltonian.eigenvectors
    if basis != "x":
        return np.asarray(basis)
    if not isinstance(setting.system, systems.Ising | systems.Spins):
        found = f'system.kind = "{setting.system.kind}"'
        raise ConfigError(report(setting.place, "model.basis", 'an Ising chain or spins for the basis "x"', found))
    if setting.hamiltonian.is_matrix_free:
        return "x"
    return reduce(np.kron, [np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)] * setting.system.spins)


def _equilibrium(section: sections.Equilibrium, setting: Setting) -> ArrayLike | Equilibrium:
    if isinstance(section, sections.Canonical):
        return sq.canonical(setting.hamiltonian, section.beta)
    if not isinstance(section, sections.Microcanonical):
        if setting.hamiltonian.is_matrix_free:
            expected = '"microcanonical" or { beta = ... } for spins without a matrix, whose eigenstates are not known'
            raise ConfigError(report(setting.place, "model.equilibrium", expected, "a list of weights"))
        return np.asarray(section)
    known = setting.hamiltonian.conserved
    for i, name in enumerate(section.conserved):
        if name not in known:
            expected = f"one of {', '.join(known) or 'nothing: this system has none'}{nearest(name, known)}"
            key = f"model.equilibrium.conserved[{i}]"
            raise ConfigError(report(setting.place, key, expected, repr(name)))
    weights = sq.microcanonical(setting.hamiltonian, setting.psi0, section.conserved)
    setting.notes.append(_told(weights.window, setting.scales))
    return weights


def _told(window: Window, scales: Scales) -> str:
    """What a window is, in the units of the file."""
    if scales == Scales():
        return str(window)
    energy = scales.of(ENERGY)
    energies = {name: energy * getattr(window, name) for name in ("energy", "state_energy", "energy_stderr")}
    squares = {name: energy**2 * getattr(window, name) for name in ("variance", "state_variance", "variance_stderr")}
    return f"{dataclasses.replace(window, **energies, **squares)}; in J and J²"


def _reference_mass(given: float | None, scales: Scales) -> float:
    if given is not None:
        return given
    return 1.0 if scales == Scales() else atomic_mass / scales.of(MASS)


def _occupations(section: sections.CslLattice, setting: Setting) -> np.ndarray:
    """Particles (dim, sites) in each basis state."""
    if section.occupations is not None:
        return np.asarray(section.occupations)
    if setting.bare.spins == len(section.positions):
        states = np.arange(setting.bare.dim)
        return np.stack([states >> site & 1 for site in range(setting.bare.spins)], axis=1)
    operators = setting.bare.operators
    spins = [f"sigma_z_{j}" for j in range(len(section.positions))]
    if not all(name in operators for name in spins) or f"sigma_z_{len(spins)}" in operators:
        expected = "this key, or a spin chain with one position per site"
        raise ConfigError(report(setting.place, "model.occupations", expected, "nothing"))
    return np.stack([(1 - operators[name]) / 2 for name in spins], axis=1)


def _jump(jump: Jump, table: str, setting: Setting) -> Any:
    """The operator of a jump (dim, dim) or (dim,), or of one part, without its rate."""
    key = f"model.{table}"
    made = operator_of(jump, key, setting.system, setting.bare, setting.known, setting.place)
    return made if isinstance(made, Embedded) else as_plain(made)
