"""The calls that are fuzzed: functions of users and what is valid for their arguments."""

import tomllib
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import stochq as sq
from stochq.cli.build import build
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError
from tests.fuzz.readers import READERS, altered_tables
from tests.fuzz.values import (
    covariances,
    densities,
    diagonals,
    flag,
    fraction,
    generator,
    hermitian,
    kets,
    matrices,
    positive,
    real,
    times,
    weights,
)

NOISES = ("real", "complex", "unitary", "jump", "any")
noise = st.sampled_from(NOISES)
Two = (2,)


@cache
def _examples() -> list[bytes]:
    return [content for content in READERS["configuration"].seeds() if b"experiment" not in content]


@st.composite
def configurations(draw: Any) -> bytes:
    """One of the examples in which up to three keys are altered."""
    return altered_tables(draw(st.sampled_from(_examples())), generator(draw)) or b""


def configured(content: bytes) -> object:
    """What `stochq run` does with a file before it simulates."""
    try:
        return build(check_config(tomllib.loads(content.decode()), "run.toml"), "run.toml").notes
    except ValueError as error:
        raise ConfigError(f"run.toml: {error}") from error


class Call(NamedTuple):
    """arguments: strategies of valid values by name; not all of their combinations need be valid.

    altered: how many of them may be altered.
    """

    function: Callable[..., Any]
    arguments: dict[str, st.SearchStrategy]
    altered: int = 2


@cache
def _systems() -> tuple[Any, ...]:
    s = sq.systems
    small = (
        s.levels([0.0, 1.0]),
        s.levels([[0.5, 0.2], [0.2, -0.5]]),
        s.levels([0.0, 0.5, 2.0]),
        s.ising(1, 1.0, 0.5),
        s.ising(2, 1.0, 0.5),
    )
    return (*small, s.particle(16, 16.0, 1.0), s.oscillator(4), s.kerr(4, 0.0, 1.0, 0.5), s.particle(64, 16.0, 1.0))


qubits = st.sampled_from((0, 1)).map(lambda place: _systems()[place])
systems = st.integers(0, 8).map(lambda place: _systems()[place])
grids = st.sampled_from((5, 8)).map(lambda place: _systems()[place])
colours = st.none() | st.just(0.5).map(sq.noise.OrnsteinUhlenbeck)


@cache
def _equations() -> tuple[sq.Equation, ...]:
    qubit, lower = _systems()[1], np.array([[0.0, 0.0], [1.0, 0.0]])
    return (
        sq.models.suv(qubit, strength=1.0),
        sq.models.unravel(qubit, [lower], noise="complex"),
        sq.models.oqt(qubit, strength=1.0, equilibrium=[0.7, 0.3]),
        sq.models.monitored(qubit, {"current": sq.measurement.homodyne(lower, efficiency=0.5)}),
        sq.models.monitored(qubit, {"n": sq.measurement.counting(lower)}),
    )


equations = st.integers(0, 4).map(lambda place: _equations()[place])
watched = st.just(3).map(lambda place: _equations()[place])
observables = st.dictionaries(st.sampled_from(("a", "b")), diagonals(Two) | hermitian(Two), min_size=1)
detectors = st.dictionaries(
    st.sampled_from(("x", "y")),
    matrices(Two).map(sq.measurement.homodyne) | matrices(Two).map(sq.measurement.counting),
    min_size=1,
)


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.qr(matrix)[0]


bases = st.none() | matrices(Two).map(_orthonormal)


@st.composite
def records(draw: Any) -> np.ndarray:
    """Increments (trajectory, interval, detector) of one homodyne current over three intervals."""
    return generator(draw).normal(size=(2, 3, 1))


SYSTEMS = {
    "levels": Call(sq.systems.levels, {"matrix": hermitian() | diagonals()}),
    "ising": Call(
        sq.systems.ising,
        {
            "sites": st.integers(1, 3),
            "coupling": real,
            "transverse": real,
            "longitudinal": real,
            "periodic": flag,
            "exponent": st.none() | positive,
        },
    ),
    "xxz": Call(
        sq.systems.xxz,
        {
            "sites": st.integers(2, 3),
            "coupling": real,
            "anisotropy": real,
            "field": real,
            "periodic": flag,
            "magnetization": st.sampled_from((None, 0, 0.5)),
            "parity": st.sampled_from((None, 1, -1)),
        },
    ),
    "spins": Call(sq.systems.spins, {"sites": st.integers(1, 3), "terms": st.just({"Z0": 1.0, "X0": 0.5})}),
    "particle": Call(
        sq.systems.particle,
        {
            "points": st.sampled_from((8, 16)),
            "length": positive,
            "mass": positive,
            "potential": st.none() | st.just(sq.systems.harmonic(1.0)),
            "dimensions": st.just(1),
            "hbar": positive,
        },
    ),
    "harmonic": Call(sq.systems.harmonic, {"frequency": positive}),
    "double_well": Call(
        sq.systems.double_well, {"separation": positive, "barrier": positive, "transverse_frequency": positive}
    ),
    "oscillator": Call(
        sq.systems.oscillator, {"cutoff": st.integers(2, 4), "frequency": positive, "mass": positive, "hbar": positive}
    ),
    "kerr": Call(sq.systems.kerr, {"cutoff": st.integers(2, 4), "detuning": real, "kerr": real, "drive": real}),
    "driven": Call(
        sq.systems.driven,
        {
            "hamiltonian": hermitian(Two),
            "terms": hermitian(Two).map(lambda term: [term]),
            "coefficients": st.just([np.abs]),
        },
    ),
    "sampled": Call(
        sq.systems.sampled,
        {"times": times(), "values": times(), "interpolation": st.sampled_from(("constant", "linear", "cubic"))},
    ),
    "piecewise": Call(sq.systems.piecewise, {"function": st.just(np.abs), "edges": times()}),
    "reduced": Call(sq.systems.reduced, {"state": kets((4,)), "part": st.sampled_from(([0], [0, 1], 1))}),
    "normalize": Call(sq.normalize, {"psi": kets().map(lambda psi: 2 * psi)}),
}
_RATE = {"strength": positive, "hbar": positive, "noise": noise}
MODELS = {
    "suv": Call(sq.models.suv, {"hamiltonian": qubits, "basis": bases, "colour": colours, **_RATE}),
    "oqt": Call(sq.models.oqt, {"hamiltonian": qubits, "equilibrium": weights(Two), **_RATE}),
    "sui": Call(
        sq.models.sui,
        {
            "hamiltonian": qubits,
            "reduction": positive,
            "thermalization": positive,
            "equilibrium": weights(Two),
            "basis": bases,
            "hbar": positive,
            "noise": noise,
        },
    ),
    "energy_driven": Call(sq.models.energy_driven, {"hamiltonian": systems, "colour": colours, **_RATE}),
    "unravel": Call(
        sq.models.unravel,
        {
            "hamiltonian": qubits,
            "jump_operators": st.lists(matrices(Two), min_size=1, max_size=2),
            "rates": st.none() | positive,
            "noise": noise,
            "hbar": positive,
            "colour": colours,
        },
    ),
    "monitored": Call(
        sq.models.monitored, {"hamiltonian": qubits | hermitian(Two), "detectors": detectors, "hbar": positive}
    ),
    "csl": Call(
        sq.models.csl,
        {
            "particle": grids,
            "rate": positive,
            "length": st.floats(1.1, 1.3),
            "reference_mass": positive,
            "hbar": st.none(),
            "noise": noise,
            "colour": colours,
        },
    ),
    "grw": Call(
        sq.models.grw, {"particle": grids, "rate": positive, "length": st.floats(1.1, 1.3), "reference_mass": positive}
    ),
    "dissipative_csl": Call(
        sq.models.dissipative_csl,
        {
            "particle": grids,
            "rate": positive,
            "length": st.floats(1.1, 1.3),
            "dissipation": fraction,
            "reference_mass": positive,
            "noise": noise,
        },
    ),
    "diosi_penrose": Call(
        sq.models.diosi_penrose, {"particle": grids, "gravity": positive, "length": st.floats(1.1, 1.3), "noise": noise}
    ),
    "qmupl": Call(sq.models.qmupl, {"system": grids, "rate": positive, "noise": noise}),
    "csl_lattice": Call(
        sq.models.csl_lattice,
        {
            "hamiltonian": qubits,
            "occupations": st.just(np.eye(2)),
            "positions": st.just([0.0, 1.0]),
            "rate": positive,
            "length": positive,
            "masses": positive,
            "reference_mass": positive,
            "hbar": positive,
            "noise": noise,
        },
    ),
    "brownian": Call(
        sq.models.brownian,
        {
            "oscillator": st.just(6).map(lambda place: _systems()[place]),
            "friction": positive,
            "beta": positive,
            "cross_diffusion": real,
            "position_diffusion": st.just("minimal") | positive,
            "squeezing": real,
            "position_friction": positive,
            "noise": noise,
        },
    ),
    "canonical": Call(sq.canonical, {"hamiltonian": systems | hermitian(), "beta": positive}),
    "microcanonical": Call(
        sq.microcanonical,
        {
            "hamiltonian": qubits,
            "psi0": kets(Two),
            "conserved": st.just(()),
            "shape": st.sampled_from(("sharp", "gaussian")),
            "edge": positive,
        },
    ),
    "coloured_suv": Call(
        sq.models.coloured_suv,
        {
            "hamiltonian": qubits,
            "drift": positive,
            "coupling": positive,
            "colour": colours,
            "variance": st.none() | positive,
            "basis": bases,
            "single": flag,
            "hbar": positive,
        },
    ),
    "white_strength": Call(
        sq.models.white_strength, {"coupling": positive, "variance": positive, "correlation_time": positive}
    ),
    "composite": Call(
        sq.models.composite,
        {
            "joint": st.just(1).map(lambda place: sq.systems.tensor(a=_systems()[place], b=[0.0, 0.5])),
            "equations": st.dictionaries(st.sampled_from(("a", 0)), equations, min_size=1),
        },
    ),
    "markovian_feedback": Call(
        sq.models.markovian_feedback,
        {"equation": watched, "feedback": hermitian(Two).map(lambda value: {"current": value})},
    ),
    "Equation": Call(
        sq.Equation, {"hamiltonian": qubits | hermitian(Two), "channels": st.just(()), "noise": noise, "hbar": positive}
    ),
}
DETECTORS = {
    "homodyne": Call(
        sq.measurement.homodyne,
        {
            "operator": matrices(),
            "phase": real,
            "efficiency": fraction,
            "gain": positive,
            "offset": real,
            "noise": fraction,
        },
    ),
    "heterodyne": Call(
        sq.measurement.heterodyne,
        {"operator": matrices(), "efficiency": fraction, "gain": positive, "offset": real, "noise": fraction},
    ),
    "counting": Call(sq.measurement.counting, {"operator": matrices(), "efficiency": fraction, "dark": fraction}),
    "unread": Call(sq.measurement.unread, {"operator": matrices()}),
    "OrnsteinUhlenbeck": Call(sq.noise.OrnsteinUhlenbeck, {"correlation_time": positive}),
    "SumOfOrnsteinUhlenbeck": Call(
        sq.noise.SumOfOrnsteinUhlenbeck, {"weights": weights(), "correlation_times": st.just([1.0, 2.0])}
    ),
    "SphericalBrownian": Call(sq.noise.SphericalBrownian, {"correlation_time": positive}),
    "Extrapolated": Call(sq.schemes.Extrapolated, {"scheme": st.just(sq.schemes.Strang())}),
    "Strang": Call(sq.schemes.Strang, {"diffusive": flag, "increments": st.sampled_from(("gaussian", "discrete"))}),
    "Histogram": Call(sq.Histogram, {"operator": diagonals(Two) | hermitian(Two), "edges": times()}),
    "FirstPassage": Call(sq.FirstPassage, {"operator": diagonals(Two), "level": real}),
    "Reduced": Call(sq.Reduced, {"part": st.sampled_from(([0], 1))}),
    "Entropy": Call(sq.Entropy, {"part": st.sampled_from(([0], 1)), "order": st.sampled_from((1, 2))}),
    "Purity": Call(sq.Purity, {"part": st.sampled_from(([0], 1))}),
    "Distance": Call(
        sq.Distance, {"part": st.sampled_from(([0], 1)), "reference": densities(Two), "norm": st.just("trace")}
    ),
    "Record": Call(
        sq.inference.Record,
        {
            "times": st.just(np.linspace(0.0, 1.0, 4)),
            "increments": records(),
            "names": st.just(("current",)),
            "kinds": st.just(("homodyne",)),
        },
    ),
    "Proportional": Call(
        sq.feedback.Proportional,
        {
            "record": st.just("current"),
            "control": st.just("drive"),
            "gain": real,
            "time_constant": positive,
            "target": real,
        },
    ),
    "Loop": Call(
        sq.feedback.Loop,
        {
            "controller": st.just(sq.feedback.Proportional("current", "drive", gain=1.0)),
            "controls": hermitian(Two).map(lambda value: {"drive": value}),
        },
    ),
}
CHANNELS = {
    "Projectors": Call(sq.channels.Projectors, {"rates": weights()}),
    "Features": Call(sq.channels.Features, {"matrix": hermitian().map(np.real), "rate": positive}),
    "Kernel": Call(sq.channels.Kernel, {"profile": diagonals().map(np.abs), "rate": positive}),
    "DenseOperators": Call(sq.channels.DenseOperators, {"matrices": matrices().map(lambda value: value[None])}),
    "RateMatrix": Call(sq.channels.RateMatrix, {"matrix": matrices().map(np.abs)}),
    "Separable": Call(sq.channels.Separable, {"target": weights(Two), "source": weights(Two)}),
    "Kicks": Call(sq.channels.Kicks, {"rates": weights()}),
    "SiteCollapse": Call(sq.channels.SiteCollapse, {"rates": weights()}),
    "ProductBasis": Call(
        sq.channels.ProductBasis,
        {"unitary": st.sampled_from(("x", "y", "z")) | matrices(Two).map(_orthonormal), "sites": st.integers(1, 3)},
    ),
    "at_site": Call(sq.channels.at_site, {"matrix": matrices(Two), "site": st.integers(0, 1), "sites": st.just(2)}),
    "StratonovichCollapse": Call(
        sq.channels.StratonovichCollapse, {"drift": positive, "coupling": positive, "matrix": hermitian().map(np.real)}
    ),
    "TimeDependentOperator": Call(
        sq.channels.TimeDependentOperator, {"terms": matrices(Two).map(lambda value: [(np.abs, value)])}
    ),
    "BandedOperators": Call(sq.channels.BandedOperators, {"offsets": st.just((0, 1)), "bands": records()}),
}
_RUN = {"equation": equations, "psi0": kets(Two) | densities(Two), "times": times()}
RUNS = {
    "simulate": Call(
        sq.simulate,
        {
            **_RUN,
            "observables": observables,
            "trajectories": st.integers(2, 100),
            "seed": st.integers(0, 9),
            "first": st.just(0),
            "scheme": st.sampled_from((None, sq.schemes.Strang(), sq.schemes.EulerMaruyama())),
            "dt": st.just(0.05),
            "tolerance": st.none() | st.just(0.1),
            "precision": st.sampled_from(("single", "double")),
            "batch": st.none() | st.just(2048),
            "devices": st.none(),
            "keep": st.integers(0, 2),
            "records": flag,
            "interval": st.none(),
            "conditional": flag,
            "feedback": st.none(),
            "antithetic": st.none() | flag,
            "progress": st.just(False),
        },
    ),
    "expectations": Call(
        sq.expectations,
        {
            **_RUN,
            "observables": observables,
            "trajectories": st.integers(2, 100),
            "seed": st.integers(0, 9),
            "dt": st.just(0.05),
            "precision": st.sampled_from(("single", "double")),
            "scheme": st.none(),
            "gradient": st.sampled_from(("pathwise", "likelihood-ratio")),
        },
    ),
}
methods = st.sampled_from(("auto", "exact", "kraus", "commuting"))


@cache
def _written() -> sq.inference.Record:
    increments = np.random.default_rng(1).normal(size=(2, 3, 1)) * 0.3
    return sq.inference.Record(np.linspace(0.0, 0.6, 4), increments, ("current",), ("homodyne",))


_READ = {
    "equation": watched,
    "state": kets(Two) | densities(Two),
    "record": st.builds(_written),
    "method": methods,
    "halvings": st.sampled_from((0, 0, 1)),
}


@st.composite
def straight_lines(draw: Any) -> tuple[np.ndarray, np.ndarray]:
    """Means at three times, and their errors."""
    random = generator(draw)
    return random.normal(size=3), random.uniform(0.1, 1.0, size=3)


def line(parameters: Any) -> Any:
    """A prediction that is linear in two parameters."""
    return parameters[0] + parameters[1] * np.arange(3.0)


ANALYSIS = {
    "evolve": Call(
        sq.exact.evolve,
        {
            "equation": equations,
            "psi0_or_rho0": kets(Two) | densities(Two),
            "times": times(),
            "observables": st.none() | observables,
            "method": st.sampled_from(("auto", "auto", "closed-form", "liouvillian", "split", "ode", "typicality")),
        },
    ),
    "filter": Call(
        sq.inference.filter,
        {**_READ, "observables": st.none() | observables, "density": flag, "rank": st.none() | st.just(2)},
    ),
    "log_likelihood": Call(sq.inference.log_likelihood, {**_READ, "per_record": flag}),
    "fit": Call(
        sq.fit,
        {
            "predict": st.just(line),
            "data": straight_lines(),
            "start": diagonals(Two),
            "optimizer": st.none(),
            "steps": st.integers(1, 20),
            "bounds": st.none() | st.just([(-9.0, 9.0), (None, 9.0)]),
            "priors": st.none() | st.just([(0.0, 1.0), None]),
            "starts": st.none() | st.just([[1.0, 1.0]]),
            "intervals": st.sampled_from(("wald", "profile")),
            "progress": st.just(False),
            "checkpoint": st.none(),
        },
    ),
}
_GAUSSIAN = {"drift": covariances().map(lambda value: -value), "diffusion": covariances()}
GAUSSIAN = {
    "State": Call(sq.gaussian.State, {"mean": diagonals(Two), "covariance": covariances()}),
    "Dynamics": Call(sq.gaussian.Dynamics, {**_GAUSSIAN, "hbar": positive}),
    "csl_oscillator": Call(sq.gaussian.csl_oscillator, {"diffusion": positive, "friction": positive}),
    "gaussian brownian": Call(
        sq.gaussian.brownian,
        {
            "mass": positive,
            "frequency": positive,
            "friction": positive,
            "beta": positive,
            "cross_diffusion": real,
            "squeezing": real,
            "hbar": positive,
        },
    ),
    "network": Call(
        sq.gaussian.network,
        {"couplings": hermitian(Two).map(np.real), "rates": weights(Two), "occupations": weights(Two)},
    ),
}
BOUNDS = {
    "Sphere": Call(sq.bounds.Sphere, {"mass": positive, "radius": positive}),
    "Cuboid": Call(sq.bounds.Cuboid, {"mass": positive, "sides": st.just((1.0, 2.0, 3.0))}),
    "heating_power": Call(sq.bounds.heating_power, {"mass": positive, "rate": positive, "length": positive}),
    "rate_from_power": Call(sq.bounds.rate_from_power, {"power_per_mass": positive, "length": positive}),
    "momentum_diffusion": Call(
        sq.bounds.momentum_diffusion,
        {"body": st.just(sq.bounds.Sphere(1.0, 1.0)), "rate": positive, "length": positive},
    ),
    "force_noise": Call(
        sq.bounds.force_noise, {"body": st.just(sq.bounds.Sphere(1.0, 1.0)), "rate": positive, "length": positive}
    ),
    "emission_rate": Call(sq.bounds.emission_rate, {"energy": positive, "rate": positive, "length": positive}),
    "ForceNoise": Call(
        sq.bounds.ForceNoise,
        {
            "name": st.just("x"),
            "body": st.just(sq.bounds.Sphere(1.0, 1.0)),
            "force_noise": positive,
            "frequency": positive,
        },
    ),
    "XRays": Call(
        sq.bounds.XRays,
        {
            "name": st.just("x"),
            "atomic_number": st.just(32),
            "atomic_mass": positive,
            "lowest_energy": st.just(1.0),
            "highest_energy": st.just(2.0),
            "count_rate": positive,
            "free_electrons": st.just(4),
        },
    ),
}
FILES = {"configuration": Call(configured, {"content": configurations()}, altered=0)}
CALLS: dict[str, Call] = FILES | SYSTEMS | MODELS | DETECTORS | CHANNELS | RUNS | ANALYSIS | GAUSSIAN | BOUNDS
