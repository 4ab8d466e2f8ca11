"""Operators by name, as matrices and as sums of Pauli strings: for observables, jump operators and drives."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

import stochq as sq
from stochq.cli import systems
from stochq.cli.config import Config, Observable
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.fields import Operator, Section
from stochq.cli.units import OBSERVABLES, quantity_of
from stochq.systems.composite import Composite
from stochq.systems.hamiltonian import Hamiltonian

# Arrays, operators on one part of a composite system, sums of Pauli strings, and functions of a state.
Maker = Callable[[], Any]
PAULI = {
    "sigma_x": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "sigma_y": np.array([[0.0, -1.0j], [1.0j, 0.0]]),
    "sigma_z": np.array([1.0, -1.0]),
}
Chain = systems.Spin | systems.Spins


def system_operators(system: Section, hamiltonian: Hamiltonian) -> dict[str, Maker]:
    """Makers of the operators that a system has names for, those of its parts as "part:name".

    Pauli's matrices are "sigma_x", "sigma_y" and "sigma_z" on two levels, the first of which is that with σ_z = 1, and
    "sigma_x_0" and so on at a site of a chain; oscillators have "annihilation" and "creation".
    """
    return _added(system, hamiltonian) | {name: partial(_own, hamiltonian, name) for name in hamiltonian.operators}


def _own(hamiltonian: Hamiltonian, name: str) -> Any:
    return hamiltonian.operators[name]


def _added(system: Section, hamiltonian: Hamiltonian) -> dict[str, Maker]:
    """What the command line has names for beside the library."""
    if isinstance(system, systems.Oscillator | systems.Kerr):
        lowering = np.diag(np.sqrt(np.arange(1.0, hamiltonian.dim)), 1)
        return {"annihilation": lambda: lowering, "creation": lambda: lowering.T}
    if isinstance(system, systems.Levels) and hamiltonian.dim == 2:
        return {name: partial(np.copy, matrix) for name, matrix in PAULI.items()}
    if isinstance(system, Chain) and hamiltonian.dim == 2**system.spins:
        names = [(f"sigma_{axis}_{j}", f"{axis.upper()}{j}") for axis in "xyz" for j in range(system.spins)]
        return {name: partial(_pauli_sum, hamiltonian, system.spins, {string: 1.0}) for name, string in names}
    if isinstance(system, systems.Tensor) and isinstance(hamiltonian, Composite):
        return {
            f"{part}:{name}": partial(_embedded, hamiltonian, part, maker)
            for (part, section), own in zip(system.parts.items(), hamiltonian.parts, strict=True)
            for name, maker in _added(section, own).items()
        }
    return {}


def _embedded(joint: Composite, part: str, maker: Maker) -> Any:
    return joint.embed(maker(), part)


def _pauli_sum(hamiltonian: Hamiltonian, sites: int, terms: object) -> Any:
    made = sq.systems.PauliSum(sites, terms)
    return made if hamiltonian.is_matrix_free else made.matrix()


def with_own(config: Config, hamiltonian: Hamiltonian, known: Mapping[str, Maker], place: str) -> dict[str, Maker]:
    """Known operators and those of [observables]. Raises: ConfigError for names that are taken, and other shapes."""
    found = dict(known)
    for name, section in config.observables.items():
        key = f"observables.{name}"
        if name in known:
            raise ConfigError(report(place, key, "a name that the system has no operator of", repr(name)))
        if config.units is not None and quantity_of(name) in OBSERVABLES:
            expected = "another name in a file with [units], where this one says that the operator has a unit"
            raise ConfigError(report(place, key, expected, repr(name)))
        made = _given(section, config.system, hamiltonian, key, place)
        found[name] = partial(_value, made)
    return found


def _value(made: Any) -> Any:
    return made


def _given(section: Operator | Observable, system: Section, hamiltonian: Hamiltonian, key: str, place: str) -> Any:
    """The operator of a matrix or of a sum of Pauli strings."""
    if section.pauli is not None:
        if not (isinstance(system, Chain) and hamiltonian.dim == 2**system.spins):
            found = f'system.kind = "{system.kind}"'
            raise ConfigError(report(place, f"{key}.pauli", "a spin chain without symmetry sectors", found))
        try:
            return _pauli_sum(hamiltonian, system.spins, section.pauli)
        except ValueError as error:
            expected = "a sum of Pauli strings"
            raise ConfigError(report(place, f"{key}.pauli", expected, f"{section.pauli!r}: {error}")) from error
    matrix, dim, part = np.asarray(section.matrix), hamiltonian.dim, section.part
    if part is not None:
        names = hamiltonian.names if isinstance(hamiltonian, Composite) else ()
        if part not in names:
            expected = f"one of {', '.join(names) or 'none: this system has no parts'}{nearest(part, names)}"
            raise ConfigError(report(place, f"{key}.part", expected, repr(part)))
        dim = hamiltonian.dims[names.index(part)]
    if len(matrix) != dim:
        raise ConfigError(report(place, f"{key}.matrix", f"{dim} rows, one for each state", f"{len(matrix)}"))
    return matrix if part is None else hamiltonian.embed(matrix, part)


def operator_of(
    section: Operator, key: str, system: Section, hamiltonian: Hamiltonian, known: Mapping[str, Maker], place: str
) -> Any:
    """The operator of a table that names or holds one.

    Raises:
        ConfigError: for a name that is not known, an observable that is no operator, and matrices that do not fit.
    """
    if section.operator is None:
        return _given(section, system, hamiltonian, key, place)
    if section.operator not in known:
        expected = f"one of {', '.join(known)}{nearest(section.operator, known)}"
        raise ConfigError(report(place, f"{key}.operator", expected, repr(section.operator)))
    made = known[section.operator]()
    if callable(made) and not hasattr(made, "matrix"):
        raise ConfigError(report(place, f"{key}.operator", "an operator that is a matrix", repr(section.operator)))
    return made


def as_plain(operator: Any) -> Any:
    """The matrix of a sum of Pauli strings or of an operator of one part; anything else as it is."""
    return operator.matrix() if hasattr(operator, "matrix") else operator
