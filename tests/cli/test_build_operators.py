"""Operators of one's own and by Pauli's names, drives, coloured noise and composite systems, against plain NumPy."""

from functools import reduce

import numpy as np
import pytest
from scipy.constants import hbar
from scipy.linalg import expm

import stochq as sq
from stochq.cli.build import build
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError
from stochq.cli.schema import schema_of
from stochq.cli.units import Scales, values_in_si
from tests.cli import validate
from tests.cli.test_build import ISING, LEVELS, OSCILLATOR, PARTICLE, PLUS, RUN, SUV

SCHEMA = schema_of("run")
SI = {"kind": "si", "length": 1.0, "mass": 1.0}
QUBIT = {"kind": "levels", "energies": [0.0, 1.0]}
X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
LOWER = [[0, 1], [0, 0]]
RAISE = [[0, 0], [1, 0]]
PAIR = {"kind": "tensor", "parts": {"cavity": {"kind": "oscillator", "cutoff": 3}, "atom": QUBIT}}
COUPLED = PAIR | {
    "coupling": [
        {"strength": [0.0, 0.5], "operators": {"cavity": "annihilation", "atom": RAISE}},
        {"strength": [0.0, -0.5], "operators": {"cavity": "creation", "atom": LOWER}},
    ]
}
CAVITY_AND_ATOM = {"kind": "parts", "parts": {"cavity": {"kind": "coherent", "alpha": 0.05}, "atom": PLUS}}


def coupled(**operators):
    return PAIR | {"coupling": [{"strength": 1, "operators": operators}]}


def cosine(operator):
    return {"drives": [{"kind": "cosine", "operator": operator, "amplitude": 1, "frequency": 1}]}


def own(name="a", **keys):
    return {"observables": {name: keys}}


def sampled(values, **more):
    return {"kind": "sampled", "times": [0.0, 1.0, 2.0], "values": values} | more


SHORT_DRIVE = {"drives": [sampled([0, 1, 2], operator="sigma_x")]}


def job_of(system, names=(), model=SUV, state=PLUS, run=None, **tables):
    data = {"system": system, "model": model, "state": state, **tables}
    data["run"] = RUN | {"observables": list(names) or ["energy"]} | (run or {})
    assert validate.complaints(data, SCHEMA) == []
    return build(check_config(data, "f.toml"), "f.toml")


def as_matrix(operator):
    operator = operator.matrix() if hasattr(operator, "matrix") else np.asarray(operator)
    return np.diag(operator) if operator.ndim == 1 else operator


def on_chain(operator, site, sites):
    """Site 0 is the lowest bit of a basis state: the last factor."""
    return reduce(np.kron, [operator if j == site else np.eye(2) for j in reversed(range(sites))])


def refused(key, expected, *given, **tables):
    with pytest.raises(ConfigError) as caught:
        job_of(*given, **tables)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"f.toml: {key}" and expected in lines[1], lines


def test_pauli_names_of_two_levels_and_of_chains():
    made = job_of(QUBIT, ["sigma_x", "sigma_y", "sigma_z"]).observables
    for name, matrix in zip(made, (X, Y, Z), strict=True):
        np.testing.assert_array_equal(as_matrix(made[name]), matrix)
    for system in (ISING, {"kind": "spins", "sites": 3, "terms": {"Z0 Z1": -1.0, "X2": 0.5}}):
        made = job_of(system, ["sigma_x_0", "sigma_y_2", "sigma_z_1"]).observables
        for operator, (name, site) in zip(
            (X, Y, Z), (("sigma_x_0", 0), ("sigma_y_2", 2), ("sigma_z_1", 1)), strict=True
        ):
            np.testing.assert_allclose(as_matrix(made[name]), on_chain(operator, site, 3), atol=1e-12)


def test_spins_have_the_hamiltonian_that_is_written():
    system = {"kind": "spins", "sites": 2, "terms": {"Z0 Z1": -1.0, "X1": 0.5}}
    matrix = job_of(system).equation.hamiltonian.matrix()
    wanted = -on_chain(Z, 0, 2) @ on_chain(Z, 1, 2) + 0.5 * on_chain(X, 1, 2)
    np.testing.assert_allclose(matrix, wanted, atol=1e-12)


def test_observables_of_ones_own():
    mine = {"exchange": {"pauli": "0.5 X0 Y1 - 0.5 Y0 X1"}, "far": {"matrix": np.diag(np.arange(8.0)).tolist()}}
    made = job_of(ISING, ["exchange", "far", "energy"], observables=mine).observables
    wanted = 0.5 * (on_chain(X, 0, 3) @ on_chain(Y, 1, 3) - on_chain(Y, 0, 3) @ on_chain(X, 1, 3))
    np.testing.assert_allclose(as_matrix(made["exchange"]), wanted, atol=1e-12)
    np.testing.assert_array_equal(as_matrix(made["far"]), np.diag(np.arange(8.0)))
    # Also under the name of a direction, which names of quantities may end with.
    lower = {"y": {"matrix": [[0, [0, 2]], [0, 0]]}}
    model = {"kind": "unravel", "jumps": [{"rate": 0.25, "operator": "y"}]}
    job = job_of(QUBIT, ["y"], model=model, observables=lower)
    np.testing.assert_array_equal(job.observables["y"], [[0, 2j], [0, 0]])
    np.testing.assert_allclose(job.equation.channels[0].operators()[0], [[0, 1j], [0, 0]])


@pytest.mark.parametrize(
    ("key", "expected", "system", "tables"),
    [
        ("observables.energy", "no operator of", QUBIT, own("energy", matrix=LOWER)),
        ("observables.a.matrix", "3 rows", LEVELS, own(matrix=LOWER)),
        ("observables.a.pauli", "a spin chain", LEVELS, own(pauli="X0")),
        ("observables.a.pauli", "a sum of Pauli", ISING, own(pauli="X7")),
        ("observables.a.part", "none", LEVELS, own(matrix=LOWER, part="b")),
        ("observables.a.part", "'atom'", PAIR, own(matrix=LOWER, part="atoms")),
        ("observables.position", "another name", LEVELS, own("position", matrix=np.eye(3).tolist()) | {"units": SI}),
        ("drives[0].operator", "sigma_x", QUBIT, cosine("sigma_u")),
        ("drives[0]", "a Hermitian operator", PAIR, cosine("cavity:annihilation")),
        ("drives[0].times", "from 0 to 9", QUBIT, SHORT_DRIVE | {"run": {"times": [0.0, 9.0]}}),
        ("system.coupling[0].operators", "cavity, atom", coupled(atoms=LOWER), {}),
        ("system.coupling[0].operators.cavity.operator", "'creation'", coupled(cavity="creatoin"), {}),
        ("system.coupling[0].operators.cavity.matrix", "3 rows", coupled(cavity=LOWER), {}),
        ("system.parts", "without a colon", PAIR | {"parts": {"a:b": QUBIT, "c": QUBIT}}, {}),
        ("state.parts", "cavity, atom", PAIR, {"state": {"kind": "parts", "parts": {"cavity": PLUS, "atoms": PLUS}}}),
        ("state.kind", 'a system of kind "tensor"', QUBIT, {"state": CAVITY_AND_ATOM}),
    ],
)
def test_what_does_not_fit_is_refused_by_key(key, expected, system, tables):
    refused(key, expected, system, **tables)


@pytest.mark.parametrize(
    ("drive", "value"),
    [
        ({"kind": "cosine", "amplitude": 0.3, "frequency": 2.0, "phase": 0.4}, lambda t: 0.3 * np.cos(2 * t + 0.4)),
        (
            {"kind": "pulse", "amplitude": 0.3, "centre": 1.0, "width": 0.5, "frequency": 3.0},
            lambda t: 0.3 * np.exp(-((t - 1) ** 2) / 0.5) * np.cos(3 * (t - 1)),
        ),
        (sampled([0.0, 0.3, 0.1]), lambda t: np.interp(t, [0, 1, 2], [0, 0.3, 0.1])),
        (sampled([0.3, 0.1], interpolation="constant"), lambda t: 0.3 if t < 1 else 0.1),
    ],
)  # fmt: skip
def test_drives(drive, value):
    driven = job_of(QUBIT, drives=[drive | {"operator": "sigma_y"}]).equation.hamiltonian
    for t in (0.0, 0.7, 1.6):
        np.testing.assert_allclose(driven.matrix(t), np.diag([0, 1]) + value(t) * Y, atol=1e-7)


def test_drives_in_si_units_are_forces_on_positions():
    drive = {"kind": "cosine", "operator": "position", "amplitude": 3e-20, "frequency": 100.0}
    units = {"kind": "si", "length": 1e-7, "mass": 1e-18}
    system = OSCILLATOR | {"frequency": 100.0, "mass": 1e-18}
    state = {"kind": "coherent", "alpha": 0.0}
    model = {"kind": "unravel", "jumps": [{"rate": 1.0, "operator": "annihilation"}]}
    tables = {"units": units, "drives": [drive], "run": {"times": [0.0, 0.01]}}
    job = job_of(system, ["position"], model=model, state=state, **tables)
    energy, moved = job.scales.mass * (job.scales.length / job.scales.time) ** 2, job.scales.length
    driven = job.equation.hamiltonian
    force = np.asarray(driven.matrix(0.0)) - np.asarray(driven.static.matrix())
    np.testing.assert_allclose(
        force * energy, 3e-20 * moved * as_matrix(job.observables["position"]), rtol=1e-6, atol=1e-36
    )


@pytest.mark.parametrize(
    ("system", "model"),
    [
        (LEVELS, SUV),
        (PARTICLE, {"kind": "csl", "rate": 0.5, "length": 1.0}),
        (PARTICLE, {"kind": "qmupl", "rate": 0.5}),
        (PARTICLE | {"length": 30.0, "points": 64}, {"kind": "diosi_penrose", "gravity": 1.0, "length": 1.0}),
        (LEVELS, {"kind": "energy_driven", "strength": 0.5}),
        (LEVELS, {"kind": "unravel", "jumps": [{"rate": 1.0, "operator": "population_0"}]}),
        (ISING, {"kind": "csl_lattice", "rate": 1.0, "length": 0.5, "positions": [0.0, 1.0, 2.0]}),
    ],
    ids=lambda value: value["kind"],
)
def test_unitary_noise_has_a_colour(system, model):
    colour = {"kind": "sum_of_ornstein_uhlenbeck", "weights": [0.25, 0.75], "correlation_times": [0.1, 2.0]}
    made = job_of(system, model=model | {"noise": "unitary", "colour": colour}).equation.colour
    assert made.spectrum(1.5) == pytest.approx(0.25 / (1 + 0.15**2) + 0.75 / (1 + 3.0**2))


@pytest.mark.parametrize(
    ("colour", "kind"),
    [("ornstein_uhlenbeck", sq.noise.OrnsteinUhlenbeck), ("spherical", sq.noise.SphericalBrownian)],
)
def test_reduction_by_noise_with_a_memory(colour, kind):
    model = {"kind": "coloured_suv", "drift": 1.0, "coupling": 2.0, "colour": {"kind": colour, "correlation_time": 0.2}}
    made = job_of(QUBIT, model=model | {"single": True}).equation
    assert isinstance(made.colour, kind) and made.channels[0].noises == 1


def test_parts_beside_each_other_are_kronecker_products():
    a = np.diag(np.sqrt([1.0, 2.0]), 1)
    jumps = [{"rate": 0.25, "operator": "cavity:annihilation"}, {"rate": 1.0, "matrix": LOWER, "part": "atom"}]
    mine = {"s": {"matrix": LOWER, "part": "atom"}}
    names = ["cavity:number", "atom:sigma_y", "s", "energy"]
    model = {"kind": "unravel", "jumps": jumps}
    job = job_of(COUPLED, names, model=model, state=CAVITY_AND_ATOM, observables=mine)
    lower = np.array(LOWER)
    coupling = 0.5j * np.kron(a, lower.T)
    wanted = np.kron(np.diag([0.5, 1.5, 2.5]), np.eye(2)) + np.kron(np.eye(3), np.diag([0, 1]))
    wanted = wanted + coupling + coupling.conj().T
    np.testing.assert_allclose(job.equation.hamiltonian.matrix(), wanted, atol=1e-12)
    np.testing.assert_allclose(as_matrix(job.observables["cavity:number"]), np.kron(a.T @ a, np.eye(2)), atol=1e-12)
    np.testing.assert_allclose(as_matrix(job.observables["atom:sigma_y"]), np.kron(np.eye(3), Y), atol=1e-12)
    np.testing.assert_allclose(as_matrix(job.observables["s"]), np.kron(np.eye(3), lower), atol=1e-12)
    found = [operator for channel in job.equation.channels for operator in np.asarray(channel.operators())]
    assert len(found) == 2
    total = sum(L.conj().T @ L for L in found)
    np.testing.assert_allclose(
        total, 0.25 * np.kron(a.T @ a, np.eye(2)) + np.kron(np.eye(3), lower.T @ lower), atol=1e-7
    )
    coherent = np.array([1, 0.05, 0.05**2 / np.sqrt(2)])
    ket = np.kron(coherent / np.linalg.norm(coherent), [1, 1]) / np.sqrt(2)
    np.testing.assert_allclose(job.psi0, ket, atol=1e-7)


@pytest.mark.filterwarnings("ignore:trap. the highest of the 3 Fock states")
def test_coupled_parts_in_si_units():
    """A trapped particle pushed one way or the other by a qubit: all numbers against matrices in SI units."""
    mass, omega, gap, force, energy = 1e-20, 1e7, 2e-27, 3e-18, 1e-27
    system = {
        "kind": "tensor",
        "parts": {
            "trap": {"kind": "oscillator", "cutoff": 3, "frequency": omega, "mass": mass},
            "qubit": {"kind": "levels", "energies": [0.0, gap]},
            "cavity": {"kind": "kerr", "cutoff": 2, "kerr": 0.0, "detuning": energy},
        },
        "coupling": [{"strength": force, "operators": {"trap": "position", "qubit": X.tolist()}}],
    }
    a, one = np.diag(np.sqrt([1.0, 2.0]), 1), np.eye(2)
    length = np.sqrt(hbar / (2 * mass * omega))
    moved = length * reduce(np.kron, [a + a.T, one, one])
    pushed = length * np.kron(a + a.T, X)
    h = (
        hbar * omega * np.kron(np.diag([0.5, 1.5, 2.5]), one)
        + gap * np.kron(np.eye(3), np.diag([0, 1]))
        + force * pushed
    )
    h = np.kron(h, one) + energy * np.kron(np.eye(6), np.diag([0, 1]))
    names = ["trap:position", "trap:position_squared", "cavity:position", "energy", "qubit:sigma_x"]
    jumps = [{"rate": 2e24, "operator": "trap:position"}, {"rate": 2e6, "operator": "cavity:annihilation"}]
    state = {"kind": "parts", "parts": {part: {"kind": "plus"} for part in system["parts"]}}
    times = [0.0, 1e-7, 3e-7]
    units = {"kind": "si", "length": 1e-9, "mass": 1e-20, "time": 1e-7}
    job = job_of(system, names, {"kind": "unravel", "jumps": jumps}, state, {"times": times}, units=units)
    exact = sq.exact.evolve(job.equation, job.psi0, job.times, observables=job.observables)
    found = values_in_si(exact.expect, job.scales)
    leak = np.kron(np.eye(6), [[0, 1], [0, 0]])
    # x² as it is without a cutoff, seen from the lowest levels.
    a = np.diag(np.sqrt(np.arange(1.0, 5.0)), 1)
    squared = np.kron(length**2 * ((a + a.T) @ (a + a.T))[:3, :3], np.eye(4))
    watched = [moved, squared, leak + leak.T, h, reduce(np.kron, [np.eye(3), X, one])]
    psi = reduce(np.kron, [np.ones(3) / np.sqrt(3), np.ones(2) / np.sqrt(2), np.ones(2) / np.sqrt(2)])
    means = lindblad_means(h / hbar, [np.sqrt(2e24) * moved, np.sqrt(2e6) * leak], psi, times, watched)
    for name, mean in zip(names, means, strict=True):
        factor = 1 / np.sqrt(2) if name == "cavity:position" else 1.0
        np.testing.assert_allclose(found[name], factor * mean, rtol=1e-4, atol=1e-5 * np.abs(mean).max(), err_msg=name)


def lindblad_means(h, jumps, psi, times, operators):
    """Tr Aρ(t) of dρ/dt = −i[h, ρ] + Σ D[L]ρ, by the exponential of the whole generator: (operator, time)."""
    one = np.eye(len(h))
    generator = -1j * (np.kron(h, one) - np.kron(one, h.T))
    for jump in jumps:
        square = jump.conj().T @ jump
        generator = generator + np.kron(jump, jump.conj()) - 0.5 * (np.kron(square, one) + np.kron(one, square.T))
    rho = np.outer(psi, psi.conj()).ravel()
    states = [(expm(generator * t) @ rho).reshape(h.shape) for t in times]
    return [np.array([np.trace(operator @ state).real for state in states]) for operator in operators]


def test_exact_curves_of_operators_that_are_not_hermitian_keep_both_parts():
    curves = {"a": np.array([1.0 + 2.0j]), "b": np.array([0.1], np.float32)}
    found = values_in_si(curves, Scales())
    assert found["a"].dtype == np.complex128 and found["a"][0] == 1 + 2j and found["b"].dtype == np.float64
