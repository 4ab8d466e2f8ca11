"""From a checked configuration to the objects that `simulate` takes."""

from dataclasses import dataclass

import numpy as np

import stochq as sq
from stochq.arrays import Array
from stochq.cli import config as configuration
from stochq.cli.build_model import Setting, build_model
from stochq.cli.build_state import build_state, state_operators
from stochq.cli.build_system import build_system
from stochq.cli.config import Config
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.units import Scales, internal


@dataclass(frozen=True)
class Job:
    """What is simulated, in internal units; notes are lines worth printing."""

    equation: sq.Equation
    psi0: np.ndarray
    times: np.ndarray
    observables: dict[str, Array]
    scheme: sq.schemes.Scheme | None
    dt: float | None
    scales: Scales
    notes: list[str]


def build(given: Config, place: str) -> Job:
    """Make the system, the state, the equation and the observables.

    Raises:
        ConfigError: for parts that do not fit together.
        ValueError: from the library for what physics forbids.
    """
    if given.units is not None and given.run.tolerance is not None:
        expected = "no tolerance in a file with [units], whose observables have different ones"
        raise ConfigError(report(place, "run.tolerance", expected, str(given.run.tolerance)))
    config, scales = internal(given)
    hamiltonian = build_system(config.system, scales)
    psi0 = build_state(config.state, config.system, hamiltonian, place)
    operators, extra = hamiltonian.operators, state_operators(config.state, hamiltonian)
    names = config.run.observables
    _check_names(names, [*operators, *extra], place)
    observables = {name: extra[name]() if name in extra else operators[name] for name in names}
    setting = Setting(config.system, hamiltonian, psi0, scales, place, [])
    equation = build_model(config.model, setting)
    scheme = _scheme(config.run.scheme)
    return Job(equation, psi0, _times(config.run), observables, scheme, config.run.dt, scales, setting.notes)


def _check_names(names: list[str], known: list[str], place: str) -> None:
    for i, name in enumerate(names):
        if name not in known:
            expected = f"one of {', '.join(known)}{nearest(name, known)}"
            raise ConfigError(report(place, f"run.observables[{i}]", expected, repr(name)))


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
