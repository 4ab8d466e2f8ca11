"""From a checked configuration to the objects that `simulate` takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stochq.cli import config as configuration
from stochq.cli.build_model import build_model
from stochq.cli.build_state import build_state
from stochq.cli.build_system import build_system
from stochq.cli.config import Config
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.units import Scales, internal
from stochq.equation import Equation


@dataclass(frozen=True)
class Job:
    """What is simulated, in internal units."""

    equation: Equation
    psi0: np.ndarray
    times: np.ndarray
    observables: dict[str, Any]
    scheme: Any
    dt: float | None
    scales: Scales


def build(given: Config, place: str) -> Job:
    """Make the system, the state, the equation and the observables.

    Raises: ConfigError for parts that do not fit together, ValueError from the library for what physics forbids.
    """
    config, scales = internal(given)
    hamiltonian = build_system(config.system, scales)
    psi0 = build_state(config.state, config.system, hamiltonian, place)
    equation = build_model(config.model, config.system, hamiltonian, psi0, scales, place)
    observables = _observables(config.run.observables, hamiltonian.operators, place)
    return Job(equation, psi0, _times(config.run), observables, _scheme(config.run.scheme), config.run.dt, scales)


def _observables(names: list[str], known: Any, place: str) -> dict[str, Any]:
    for i, name in enumerate(names):
        if name not in known:
            expected = f"one of {', '.join(known)}{nearest(name, known)}"
            raise ConfigError(report(place, f"run.observables[{i}]", expected, repr(name)))
    return {name: known[name] for name in names}


def _times(run: configuration.Run) -> np.ndarray:
    if isinstance(run.times, configuration.Times):
        return np.linspace(run.times.start, run.times.stop, run.times.points)
    return np.asarray(run.times)


def _scheme(name: str | None) -> Any:
    from stochq.schemes import EulerMaruyama, Extrapolated, Strang

    if name is None:
        return None
    plain = Strang() if name.endswith("strang") else EulerMaruyama()
    return Extrapolated(plain) if name.startswith("extrapolated") else plain
