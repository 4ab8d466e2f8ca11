"""Square lattices and couplings of long range in a configuration, against sums of Kronecker products."""

from itertools import combinations

import numpy as np
import pytest

import stochq as sq
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError
from tests.cli import validate
from tests.cli.test_build import RUN, SUV, job_of
from tests.cli.test_build_operators import SCHEMA, X, Y, Z, as_matrix, on_chain

UP = {"kind": "basis", "index": 0}
ISING = {"kind": "ising", "sites": [3, 2], "coupling": 1.0, "transverse": 0.5, "longitudinal": 0.25}
XXZ = {"kind": "xxz", "sites": [2, 2], "coupling": 0.8, "anisotropy": 0.5, "field": 0.3}


def site(operator, number, sites):
    return on_chain(operator, number, sites)


def couplings(columns, rows, exponent, periodic):
    """Pairs with their strengths, by the positions (x, y) of sites x + columns·y."""
    found = {}
    for i, j in combinations(range(columns * rows), 2):
        x, y = abs(i % columns - j % columns), abs(i // columns - j // columns)
        if periodic:
            x, y = min(x, columns - x), min(y, rows - y)
        if exponent is not None or x + y == 1:
            found[i, j] = np.hypot(x, y) ** -(exponent or 0.0)
    return found


@pytest.mark.parametrize(("exponent", "periodic"), [(None, False), (None, True), (6.0, False)])
def test_ising_on_a_lattice(exponent, periodic):
    system = ISING | {"periodic": periodic} | ({} if exponent is None else {"exponent": exponent})
    wanted = sum(-0.5 * site(X, j, 6) - 0.25 * site(Z, j, 6) for j in range(6))
    for (i, j), strength in couplings(3, 2, exponent, periodic).items():
        wanted = wanted - strength * site(Z, i, 6) @ site(Z, j, 6)
    job = job_of(system, observables=["energy", "sigma_x_4", "domain_walls"])
    np.testing.assert_allclose(job.equation.hamiltonian.matrix(), wanted, atol=1e-12)
    np.testing.assert_allclose(as_matrix(job.observables["sigma_x_4"]), site(X, 4, 6), atol=1e-12)


def test_xxz_at_long_range():
    wanted = sum(0.15 * site(Z, j, 4) for j in range(4))
    for (i, j), strength in couplings(4, 1, 3.0, False).items():
        pairs = ((X, 1.0), (Y, 1.0), (Z, 0.5))
        wanted = wanted + sum(0.2 * strength * c * site(A, i, 4) @ site(A, j, 4) for A, c in pairs)
    job = job_of(XXZ | {"sites": 4, "exponent": 3.0})
    np.testing.assert_allclose(job.equation.hamiltonian.matrix(), wanted, atol=1e-12)


def test_a_small_chain_without_a_matrix():
    assert job_of(ISING | {"sites": 3, "matrix_free": True}).equation.hamiltonian.is_matrix_free


def test_spins_of_a_lattice_have_directions():
    state = {"kind": "product", "theta": [0.0, np.pi, 0.0, 0.0, np.pi, 0.0]}
    psi = job_of(ISING, state=state).psi0
    assert abs(psi[0b010010]) == pytest.approx(1.0)


@pytest.mark.parametrize("positions", [[0.0, 1.0, 2.0, 3.0], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
def test_localization_on_a_lattice_counts_spins_down(positions):
    """Rates ½ Σ_jl (n−n')_j (n−n')_l exp(−(x_j−x_l)²/4r²) between product states."""
    model = {"kind": "csl_lattice", "rate": 0.7, "length": 0.5, "positions": positions}
    (channel,) = job_of(XXZ, model).equation.channels
    points = np.reshape(np.array(positions), (4, -1))
    kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1))
    n = np.array([0, 1, 1, 0]) - np.array([1, 0, 0, 0])
    assert channel.decoherence()[0b0110, 0b0001] == pytest.approx(0.35 * n @ kernel @ n)


def test_thermal_states_of_spins_without_a_matrix():
    model = {"kind": "oqt", "strength": 0.5, "equilibrium": {"beta": 0.3}, "noise": "complex"}
    job = job_of(ISING | {"sites": 3, "matrix_free": True}, model)
    dense = sq.systems.ising(3, 1.0, 0.5, 0.25)
    weights = np.exp(-0.3 * dense.energies)
    chi = (dense.eigenvectors * weights / weights.sum()) @ dense.eigenvectors.conj().T
    found = sq.exact.steady_state(job.equation)
    np.testing.assert_allclose(found, chi, atol=1e-5)


def refused_by_both(key, expected, system, model=SUV):
    data = {"system": system, "model": model, "state": UP, "run": RUN}
    assert validate.complaints(data, SCHEMA)
    with pytest.raises(ConfigError) as caught:
        check_config(data, "f.toml")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"f.toml: {key}" and expected in lines[1], lines


@pytest.mark.parametrize(
    ("key", "expected", "system"),
    [
        ("system.sites", "at most 2 entries, not 3", ISING | {"sites": [2, 2, 2]}),
        ("system.sites[0]", "greater than", ISING | {"sites": [0, 2]}),
        ("system.sites", "a valid integer", ISING | {"sites": "many"}),
        ("system.exponent", "a valid number", ISING | {"exponent": "3"}),
        ("system", "never matrices", ISING | {"matrix_free": False}),
        ("system", "never matrices", XXZ | {"sites": 3, "exponent": 2.0, "matrix_free": False}),
        ("system", "no `magnetization`", XXZ | {"magnetization": 0.0}),
        ("system", "no `parity`", XXZ | {"sites": 4, "matrix_free": True, "parity": 1}),
        ("system", "no `parity`", XXZ | {"sites": 4, "exponent": 2.0, "parity": 1}),
    ],
)
def test_what_a_lattice_has_not_is_refused_by_schema_and_command(key, expected, system):
    refused_by_both(key, expected, system)


def test_weights_of_unknown_eigenstates_are_refused():
    with pytest.raises(ConfigError, match=r'model\.equilibrium\n  expected: "microcanonical" or { beta'):
        job_of(XXZ, {"kind": "oqt", "strength": 0.5, "equilibrium": [1 / 16] * 16})
