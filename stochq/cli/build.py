"""From a checked configuration to the objects that `simulate` takes."""

from dataclasses import dataclass

import numpy as np

import stochq as sq
from stochq.arrays import Array
from stochq.cli import config as configuration
from stochq.cli.build_drives import build_drive
from stochq.cli.build_feedback import with_feedback
from stochq.cli.build_model import Setting, build_model
from stochq.cli.build_operators import Maker, as_plain, operator_of, system_operators, with_own
from stochq.cli.build_state import build_state, state_operators
from stochq.cli.build_system import build_system
from stochq.cli.config import Config
from stochq.cli.drives import Sampled
from stochq.cli.errors import ConfigError, located, nearest, report
from stochq.cli.fields import Section
from stochq.cli.systems import Particle
from stochq.cli.units import Scales, factor, internal
from stochq.systems.hamiltonian import Hamiltonian


@dataclass(frozen=True)
class Job:
    """What is simulated, in internal units; notes are lines worth printing, known the names of all observables."""

    equation: sq.Equation
    psi0: np.ndarray
    times: np.ndarray
    observables: dict[str, Array]
    scheme: sq.schemes.Scheme | None
    dt: float | None
    scales: Scales
    notes: list[str]
    feedback: sq.feedback.Loop | None
    known: tuple[str, ...]


def build(given: Config, place: str) -> Job:
    """Make the system, the state, the equation and the observables.

    Raises:
        ConfigError: for parts that do not fit together, and what the library refuses.
    """
    if given.units is not None and given.run.tolerance is not None:
        expected = "no tolerance in a file with [units], whose observables have different ones"
        raise ConfigError(report(place, "run.tolerance", expected, str(given.run.tolerance)))
    _check_samples(given, place)
    config, scales = internal(given)
    note = unit_note(given)
    system = _system_tables(config.system)
    with located(place, system, note):
        hamiltonian = build_system(config.system, scales, place)
    with located(place, {"state": config.state} | system, note):
        psi0 = build_state(config.state, config.system, hamiltonian, place)
    known = system_operators(config.system, hamiltonian) | state_operators(config.state, hamiltonian)
    known = with_own(config, hamiltonian, known, place)
    names = config.run.observables
    _check_names(names, list(known), place)
    observables = {name: known[name]() for name in names}
    driven = _driven(config, hamiltonian, known, scales, place)
    setting = Setting(config.system, driven, hamiltonian, psi0, scales, place, [], known)
    with located(place, {"model": config.model} | system, note):
        equation, loop = with_feedback(config.model, build_model(config.model, setting), setting)
    scheme = _scheme(config.run.scheme)
    _check_loop(loop, config.run, place)
    times, notes = _times(config.run), setting.notes
    return Job(equation, psi0, times, observables, scheme, config.run.dt, scales, notes, loop, tuple(known))


def _system_tables(section: Section) -> dict[str, Section]:
    """The table [system], and that of its potential."""
    inner = {"system.potential": section.potential} if isinstance(section, Particle) else {}
    return {"system": section} | inner


def unit_note(config: Config) -> str:
    """What is added to the messages of the library, which knows internal units only."""
    return "" if config.units is None else " (Numbers in the units of the table [units].)"


def _driven(
    config: Config, hamiltonian: Hamiltonian, known: dict[str, Maker], scales: Scales, place: str
) -> Hamiltonian:
    """The Hamiltonian with its drives."""
    if not config.drives:
        return hamiltonian
    terms = []
    for i, drive in enumerate(config.drives):
        key = f"drives[{i}]"
        operator = operator_of(drive, key, config.system, hamiltonian, known, place)
        term = operator if hamiltonian.is_matrix_free else as_plain(operator)
        if isinstance(term, np.ndarray) and not np.allclose(term, term.T.conj()):
            expected = "a Hermitian operator, as its coefficient is real: a sum such as A + A†"
            raise ConfigError(report(place, key, expected, "one that is not"))
        with located(place, {key: drive}, unit_note(config)):
            terms.append((term, build_drive(drive, factor(drive.operator or "", scales))))
    with located(place, {"drives": config}, unit_note(config)):
        return sq.systems.driven(hamiltonian, terms)


def _check_samples(config: Config, place: str) -> None:
    """ConfigError for a drive whose samples do not reach over the run."""
    times = _times(config.run)
    for i, drive in enumerate(config.drives):
        if isinstance(drive, Sampled) and not (drive.times[0] <= times[0] and times[-1] <= drive.times[-1]):
            expected = f"times that reach over those of the run, from {times[0]:g} to {times[-1]:g}"
            found = f"from {drive.times[0]:g} to {drive.times[-1]:g}"
            raise ConfigError(report(place, f"drives[{i}].times", expected, found))


def _check_names(names: list[str], known: list[str], place: str) -> None:
    for i, name in enumerate(names):
        if name not in known:
            expected = f"one of {', '.join(known)}{nearest(name, known)}"
            raise ConfigError(report(place, f"run.observables[{i}]", expected, repr(name)))


def _check_loop(loop: sq.feedback.Loop | None, run: configuration.Run, place: str) -> None:
    """ConfigError for what a controller, which answers late, does not allow."""
    if loop is None:
        return
    why = 'with feedback of kind "proportional"'
    if run.scheme not in (None, "strang"):
        raise ConfigError(report(place, "run.scheme", f'"strang", or no such key, {why}', f'"{run.scheme}"'))
    if run.store_final_states:
        expected = f"false {why}, as the memory of its controller is not stored"
        raise ConfigError(report(place, "run.store_final_states", expected, "true"))


def _times(run: configuration.Run) -> np.ndarray:
    if isinstance(run.times, configuration.Times):
        return np.linspace(run.times.start, run.times.stop, run.times.points)
    return np.asarray(run.times)


def _scheme(name: str | None) -> sq.schemes.Scheme | None:
    if name is None:
        return None
    if name == "strang-discrete":
        return sq.schemes.Strang(increments="discrete")
    plain = sq.schemes.Strang() if name.endswith("strang") else sq.schemes.EulerMaruyama()
    return sq.schemes.Extrapolated(plain) if name.startswith("extrapolated") else plain
