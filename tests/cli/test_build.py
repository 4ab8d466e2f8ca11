"""Every kind of table becomes the object it names, and parts that do not fit together are refused by key."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import hbar

import stochq as sq
from stochq.cli.build import build
from stochq.cli.config import check_config, load_config
from stochq.cli.errors import ConfigError
from stochq.cli.schema import schema_of
from stochq.cli.units import values_in_si
from tests.cli import validate

SCHEMA = schema_of("run")
RUN = {"times": [0.0, 1.0], "trajectories": 10, "observables": ["energy"]}
LEVELS = {"kind": "levels", "energies": [0.0, 1.0, 3.0]}
ISING = {"kind": "ising", "sites": 3, "coupling": 1.0, "transverse": 0.9, "longitudinal": 0.5}
XXZ = {"kind": "xxz", "sites": 4, "coupling": 1.0, "anisotropy": 0.5}
PARTICLE = {"kind": "particle", "points": 32, "length": 16.0}
OSCILLATOR = {"kind": "oscillator", "cutoff": 24}
KERR = {"kind": "kerr", "cutoff": 12, "kerr": 0.3, "detuning": 1.0}
SUV = {"kind": "suv", "strength": 1.0}
PLUS = {"kind": "plus"}
PACKET = {"kind": "gaussian", "width": 1.0}


def job_of(system, model=SUV, state=PLUS, **run):
    data = {"system": system, "model": model, "state": state, "run": RUN | run}
    assert validate.complaints(data, SCHEMA) == []
    return build(check_config(copy.deepcopy(data), "f.toml"), "f.toml")


@pytest.mark.parametrize(
    ("system", "dim"),
    [
        (LEVELS, 3),
        ({"kind": "levels", "matrix": [[1.0, [0.0, 1.0]], [[0.0, -1.0], 2.0]]}, 2),
        (ISING, 8),
        (XXZ | {"magnetization": 0.0}, 6),
        (PARTICLE | {"points": 8, "dimensions": 2, "potential": {"kind": "harmonic", "frequency": [1.0, 2.0]}}, 64),
        (PARTICLE | {"potential": {"kind": "double_well", "separation": 4.0, "barrier": 1.0}}, 32),
        (PARTICLE | {"potential": "free"}, 32),
        (OSCILLATOR, 24),
        (KERR, 12),
    ],
)
def test_systems(system, dim):
    job = job_of(system)
    assert job.equation.dim == dim and job.psi0.shape == (dim,)
    assert np.linalg.norm(job.psi0) == pytest.approx(1.0)
    assert list(job.observables) == ["energy"]


SPIN_HALVES = [0.0, np.pi, np.pi / 2]
CSL_LATTICE = {"kind": "csl_lattice", "rate": 1.0, "length": 0.5, "positions": [0.0, 1.0, 2.0]}
JUMPS = [{"rate": 0.5, "operator": "annihilation"}, {"rate": 0.1, "operator": "number"}]


@pytest.mark.parametrize(
    ("system", "model"),
    [
        (ISING, SUV | {"basis": "x"}),
        (ISING, SUV | {"basis": "energy", "noise": "complex"}),
        (LEVELS, SUV | {"basis": [[0, 1, 0], [1, 0, 0], [0, 0, [0, 1]]]}),
        (ISING, {"kind": "oqt", "strength": 0.5, "equilibrium": "microcanonical"}),
        (ISING, {"kind": "oqt", "strength": 0.5, "equilibrium": {"beta": 0.3}, "noise": "complex"}),
        (LEVELS, {"kind": "sui", "reduction": 1, "thermalization": 2, "equilibrium": [0.5, 0.25, 0.25]}),
        (PARTICLE, {"kind": "csl", "rate": 0.5, "length": 1.0}),
        (ISING, CSL_LATTICE),
        (LEVELS, CSL_LATTICE | {"occupations": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "masses": [1.0, 2.0, 3.0]}),
        (PARTICLE, {"kind": "qmupl", "rate": 0.5}),
        (OSCILLATOR, {"kind": "qmupl", "rate": 0.5}),
        (PARTICLE | {"length": 30.0, "points": 64}, {"kind": "diosi_penrose", "gravity": 1.0, "length": 1.0}),
        (LEVELS, {"kind": "energy_driven", "strength": 0.5}),
        (OSCILLATOR, {"kind": "brownian", "friction": 0.3, "beta": 2.0}),
        (KERR, {"kind": "unravel", "jumps": JUMPS, "noise": "complex"}),
        (OSCILLATOR, {"kind": "unravel", "jumps": JUMPS, "noise": "jump"}),
        (PARTICLE, {"kind": "unravel", "jumps": [{"rate": 0.1, "operator": "kinetic"}]}),
        (LEVELS, {"kind": "unravel", "jumps": [{"rate": 1, "matrix": [[0, 1, 0], [0, 0, 0], [0, 0, 0]]}]}),
    ],
    ids=lambda value: value["kind"],
)
def test_models(system, model):
    equation = job_of(system, model).equation
    assert isinstance(equation, sq.Equation)
    assert equation.noise == model.get("noise", "real")


@pytest.mark.parametrize("units", [None, {"kind": "si", "length": 1e-7, "mass": 1e-18}])
def test_all_diffusions_and_frictions_of_brownian_motion(units):
    """Of operators a q + b p: Σ|a|² = 2D_pp, Σ|b|² = 2D_qq, Σa*b = −2D_qp + i(η + ξ)/2, with D_pp = mη/β and ħ = 1."""
    length, mass = (1.0, 1.0) if units is None else (units["length"], units["mass"])
    time = 1.0 if units is None else mass * length**2 / hbar
    energy = mass * (length / time) ** 2
    model = {
        "kind": "brownian",
        "friction": 0.3 / time,
        "beta": 2.0 / energy,
        "cross_diffusion": 0.05 * energy,
        "position_diffusion": 1 if units is None else length**2 / time,
        "position_friction": 0.1 / time,
    }
    data = {"model": model, "state": {"kind": "eigenstate", "index": 0}, "run": RUN | {"times": [0.0, time]}}
    data["system"] = OSCILLATOR | {"mass": mass, "frequency": 1 / time}
    data |= {} if units is None else {"units": units}
    (channel,) = build(check_config(data, "f.toml"), "f.toml").equation.channels
    operators = np.asarray(channel.operators())
    a = (operators[:, 0, 1] + operators[:, 1, 0]) / np.sqrt(2)
    b = 1j * (operators[:, 0, 1] - operators[:, 1, 0]) / np.sqrt(2)
    found = np.array([np.vdot(a, a), np.vdot(b, b), np.vdot(a, b)])
    np.testing.assert_allclose(found, [0.3, 2.0, -0.1 + 0.2j], rtol=1e-9)
    model["position_diffusion"] = 1e-3 * length**2 / time
    with pytest.raises(ConfigError, match=r"model\.position_diffusion: expected at least 0.0833"):
        build(check_config(data, "f.toml"), "f.toml")


def test_a_rate_multiplies_the_dissipator():
    model = {"kind": "unravel", "jumps": [{"rate": 4.0, "matrix": [[0, 1, 0], [0, 0, 0], [0, 0, 0]]}]}
    operators = job_of(LEVELS, model).equation.channels[0].operators()
    assert np.asarray(operators)[0, 0, 1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("system", "state", "observable", "expected"),
    [
        (LEVELS, {"kind": "basis", "index": 1}, "population_1", 1.0),
        (ISING, {"kind": "eigenstate", "index": 0}, "energy", None),
        (LEVELS, {"kind": "superposition", "amplitudes": [0, 3, [0, 4]]}, "population_2", 0.64),
        (ISING, PLUS, "transverse", 1.0),
        (ISING, {"kind": "product", "theta": SPIN_HALVES}, "sigma_z_0", 1.0),
        (ISING, {"kind": "product", "theta": SPIN_HALVES}, "sigma_z_1", -1.0),
        (ISING, {"kind": "product", "theta": SPIN_HALVES}, "sigma_z_2", 0.0),
        (PARTICLE, PACKET | {"position": 2.0}, "position", 2.0),
        (PARTICLE, {"kind": "cat", "width": 0.7, "separation": 8.0}, "position_squared", 0.7**2 + 16.0),
        (PARTICLE, {"kind": "cat", "width": 0.7, "separation": 8.0, "phase": 2.0}, "coherence", 1.0),
        (OSCILLATOR, {"kind": "coherent", "alpha": [1.0, -0.5]}, "position", np.sqrt(2)),
        (OSCILLATOR, {"kind": "squeezed", "r": 0.5}, "position_squared", np.exp(-1.0) / 2),
    ],
)
def test_states(system, state, observable, expected):
    job = job_of(system, state=state, observables=[observable])
    operator = np.asarray(job.observables[observable])
    image = operator * job.psi0 if operator.ndim == 1 else operator @ job.psi0
    expected = job.equation.hamiltonian.energies[0] if expected is None else expected
    assert np.vdot(job.psi0, image).real == pytest.approx(expected, abs=1e-5)


def test_the_window_is_noted():
    notes = job_of(ISING, {"kind": "oqt", "strength": 0.5, "equilibrium": "microcanonical"}).notes
    assert len(notes) == 1 and notes[0].startswith("microcanonical window")


def test_schemes_and_times():
    assert job_of(LEVELS).scheme is None
    assert isinstance(job_of(LEVELS, scheme="strang").scheme, sq.schemes.Strang)
    assert job_of(LEVELS, scheme="strang-discrete").scheme == sq.schemes.Strang(increments="discrete")
    assert isinstance(job_of(LEVELS, scheme="extrapolated-euler-maruyama").scheme, sq.schemes.Extrapolated)
    times = job_of(LEVELS, times={"start": 1.0, "stop": 2.0, "points": 3}).times
    np.testing.assert_array_equal(times, [1.0, 1.5, 2.0])


CSL = {"kind": "csl", "rate": 1.0, "length": 1.0}
CONSERVED = {"kind": "microcanonical", "conserved": ["momentum"]}


@pytest.mark.parametrize(
    ("arguments", "key", "expected"),
    [
        ({"system": LEVELS, "observables": ["enrgy"]}, "run.observables[0]", "(did you mean 'energy'?)"),
        ({"system": LEVELS, "state": PACKET}, "state.kind", "a particle"),
        ({"system": LEVELS, "state": {"kind": "basis", "index": 3}}, "state.index", "at most 2"),
        ({"system": LEVELS, "state": {"kind": "coherent", "alpha": 1}}, "state.kind", "an oscillator"),
        ({"system": ISING, "state": {"kind": "product", "theta": [0.0, 1.0]}}, "state.theta", "1 or 3 angles"),
        (
            {"system": ISING, "state": {"kind": "superposition", "amplitudes": [1, 0]}},
            "state.amplitudes",
            "8 amplitudes",
        ),
        ({"system": LEVELS, "model": CSL}, "model.kind", '"csl" is for "particle"'),
        ({"system": LEVELS, "model": SUV | {"basis": "x"}}, "model.basis", "an Ising chain"),
        ({"system": LEVELS, "model": CSL_LATTICE}, "model.occupations", "one position per site"),
        (
            {"system": XXZ, "model": {"kind": "oqt", "strength": 1.0, "equilibrium": CONSERVED}},
            "model.equilibrium.conserved[0]",
            "total_sz, parity",
        ),
        (
            {"system": KERR, "model": {"kind": "unravel", "jumps": [{"rate": 1.0, "operator": "anihilation"}]}},
            "model.jumps[0].operator",
            "(did you mean 'annihilation'?)",
        ),
    ],
)
def test_what_does_not_fit_is_named(arguments, key, expected):
    with pytest.raises(ConfigError) as caught:
        job_of(**arguments)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"f.toml: {key}"
    assert lines[1].startswith("  expected: ") and expected in lines[1]


EVERY = sorted((Path(__file__).parents[2] / "scripts" / "examples").glob("*.toml"))
# Experiments for `stochq exclude` are configurations of another kind.
EXAMPLES = [path for path in EVERY if not path.stem.startswith("exclude-")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path):
    job = build(load_config(path), str(path))
    assert job.observables.keys() == set(load_config(path).run.observables)


def test_there_are_ten_examples():
    assert len(EXAMPLES) == 10 and len(EVERY) == 12


def test_si_units_keep_the_physics():
    data = {
        "system": {"kind": "particle", "points": 64, "length": 1.6e-6, "mass": 1e-18},
        "model": {"kind": "csl", "rate": 1e-16, "length": 1e-7},
        "state": {"kind": "cat", "width": 4e-8, "separation": 4e-7},
        "run": {"times": [0.0, 0.01], "trajectories": 10, "observables": ["position_squared"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18},
    }
    job = build(check_config(data, "f"), "f")
    rates = np.asarray(job.equation.channels[0].decoherence()) / job.scales.time
    x = job.equation.hamiltonian.coordinates[0] * job.scales.length
    i, j = np.argmin(abs(x + 2e-7)), np.argmin(abs(x - 2e-7))
    expected = 1e-16 * (1e-18 / 1.66053906892e-27) ** 2 * (1 - np.exp(-((x[i] - x[j]) ** 2) / 4e-14))
    assert rates[i, j] == pytest.approx(expected, rel=1e-5)


def si(length, model, **system):
    data = {
        "system": {"kind": "particle", "points": 64, "length": 1.6e-6, "mass": 1e-18, **system},
        "model": model,
        "state": {"kind": "gaussian", "width": 1e-7},
        "run": {"times": [0.0, 0.01], "trajectories": 10, "observables": ["position"]},
        "units": {"kind": "si", "length": length, "mass": 1e-18},
    }
    return build(check_config(data, "f"), "f")


def test_jump_operators_in_si_units_do_not_depend_on_the_units_inside():
    """√rate x with x in metres: coherences between x and y decay at ½ rate (x − y)² whatever the unit."""
    for length in (1e-7, 1e-8):
        job = si(length, {"kind": "unravel", "jumps": [{"rate": 3e14, "operator": "position"}]})
        rates = np.asarray(job.equation.channels[0].decoherence()) / job.scales.time
        x = job.equation.hamiltonian.coordinates[0] * job.scales.length
        np.testing.assert_allclose(rates[3, 40], 0.5 * 3e14 * (x[3] - x[40]) ** 2, rtol=1e-5)


def test_particles_on_a_lattice_weigh_one_reference_mass_unless_given():
    data = {
        "system": {"kind": "levels", "energies": [0.0, 0.0]},
        "model": {
            "kind": "csl_lattice", "rate": 1e-2, "length": 1e-7, "positions": [0.0, 1e-6],
            "occupations": [[1.0, 0.0], [0.0, 1.0]],
        },
        "state": {"kind": "plus"},
        "run": {"times": [0.0, 1.0], "trajectories": 10, "observables": ["energy"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18},
    }  # fmt: skip
    job = build(check_config(data, "f"), "f")
    rates = np.asarray(job.equation.channels[0].decoherence()) / job.scales.time
    # Far apart, two places of one particle of one reference mass lose their coherence at the rate λ.
    assert rates[0, 1] == pytest.approx(1e-2 * (1 - np.exp(-25)), rel=1e-5)


def test_the_quadratures_of_a_cavity_are_numbers():
    data = {
        "system": {"kind": "kerr", "cutoff": 8, "kerr": 1e-30},
        "model": {"kind": "unravel", "jumps": [{"rate": 1.0, "operator": "annihilation"}]},
        "state": PLUS,
        "run": {"times": [0.0, 1.0], "trajectories": 10, "observables": ["position"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18},
    }
    job = build(check_config(data, "f"), "f")
    np.testing.assert_allclose(values_in_si({"position": np.ones(2)}, job.scales)["position"], 1.0)


def test_the_variance_of_the_energy_is_a_square_of_energies():
    """Of H = c Z0 Z1 in the state with both spins along x: c²."""
    data = {
        "system": {"kind": "spins", "sites": 2, "terms": {"Z0 Z1": 3e-31}},
        "model": {"kind": "suv", "strength": 1e-31},
        "state": PLUS,
        "run": {"times": [0.0, 1e-3], "trajectories": 10, "observables": ["energy_variance"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18, "time": 1e-3},
    }
    job = build(check_config(data, "f"), "f")
    variance = job.observables["energy_variance"](job.psi0)
    found = values_in_si({"energy_variance": np.asarray(variance)}, job.scales)["energy_variance"]
    assert found == pytest.approx(9e-62, rel=1e-5, abs=0)


def test_the_window_is_noted_in_the_units_of_the_file():
    """Levels at 0, 1 and 2e-31 J in equal shares: E = 1e-31 J, V = 2/3 of 1e-62 J², a window of one level."""
    data = {
        "system": {"kind": "levels", "energies": [0.0, 1e-31, 2e-31]},
        "model": {"kind": "oqt", "strength": 1e-31, "equilibrium": "microcanonical"},
        "state": PLUS,
        "run": {"times": [0.0, 1e-3], "trajectories": 10, "observables": ["energy"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18, "time": 1e-3},
    }
    (note,) = build(check_config(data, "f"), "f").notes
    assert "energy 1e-31 (state 1e-31, " in note and "(state 6.66667e-63, ratio 0)" in note
    assert note.endswith("in J and J²")


def test_a_tolerance_in_several_units_is_refused():
    data = {
        "system": {"kind": "particle", "points": 64, "length": 1.6e-6, "mass": 1e-18},
        "model": {"kind": "csl", "rate": 1e-16, "length": 1e-7},
        "state": {"kind": "gaussian", "width": 1e-7},
        "run": {"times": [0.0, 1.0], "trajectories": 5000, "tolerance": 0.1, "observables": ["position"]},
        "units": {"kind": "si", "length": 1e-7, "mass": 1e-18},
    }
    with pytest.raises(ConfigError, match=r"f: run\.tolerance"):
        build(check_config(data, "f"), "f")


WIDE = PARTICLE | {"points": 64}


@pytest.mark.parametrize(
    ("system", "state", "told"),
    [
        (WIDE, PACKET | {"position": 9.0}, "f.toml: state.width: expected a packet inside the box"),
        (WIDE, PACKET | {"width": 0.01}, "f.toml: system.points: expected momenta below"),
        (
            ISING | {"sites": 40},
            PLUS,
            "f.toml: system.sites: expected a whole number of at least 1 and at most 30; got 40",
        ),
        (
            PARTICLE | {"potential": {"kind": "harmonic", "frequency": [1.0, 2.0]}},
            PLUS,
            "f.toml: system.potential.frequency: expected one number",
        ),
        (
            OSCILLATOR,
            {"kind": "coherent", "alpha": 9.0},
            "f.toml: state.alpha: expected a state within the 24 Fock states kept; alpha = (9+0j) has 1 of its weight "
            "outside (at most 1e-06). Take cutoff = 128 or larger.",
        ),
    ],
)
def test_what_the_library_refuses_is_told_with_its_key(system, state, told):
    data = {"system": system, "model": SUV, "state": state, "run": RUN}
    with pytest.raises(ConfigError, match=re.escape(told)) as refused:
        build(check_config(data, "f.toml"), "f.toml")
    assert "[units]" not in str(refused.value)


def test_refusals_of_a_file_in_si_units_tell_whose_numbers_they_are():
    packet = {"kind": "gaussian", "width": 1e-7, "position": 9e-7}
    system = PARTICLE | {"points": 64, "length": 1.6e-6, "mass": 1e-18}
    units = {"kind": "si", "length": 1e-7, "mass": 1e-18}
    data = {"system": system, "model": {"kind": "qmupl", "rate": 1.0}, "state": packet, "run": RUN, "units": units}
    with pytest.raises(ConfigError, match=r"state\.width: .* -8 to 8; .*\(Numbers in the units of the table \[units\]"):
        build(check_config(data, "f.toml"), "f.toml")


def test_times_that_go_back_and_amplitudes_that_are_all_zero_are_refused_by_key():
    state = {"kind": "superposition", "amplitudes": [0.0, 0.0, 0.0]}
    data = {"system": LEVELS, "model": SUV, "state": state, "run": RUN | {"times": [0.0, 2.0, 1.0]}}
    with pytest.raises(ConfigError) as refused:
        check_config(data, "f.toml")
    assert "state.amplitudes\n  expected: at least one amplitude other than 0" in str(refused.value)
    assert "run.times\n  expected: increasing times, not 1 after 2" in str(refused.value)
