"""Spins on chains and lattices that are never matrices, against sparse Kronecker products."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

import stochq as sq

PAULI = {"X": [[0.0, 1.0], [1.0, 0.0]], "Y": [[0.0, -1j], [1j, 0.0]], "Z": [[1.0, 0.0], [0.0, -1.0]]}


def single(sites, letter, j):
    """A Pauli matrix at site j; site 0 is the last factor."""
    return sp.kron(sp.identity(2 ** (sites - 1 - j)), sp.kron(PAULI[letter], sp.identity(2**j)), format="csr")


def pair(sites, letter, i, j):
    return single(sites, letter, i) @ single(sites, letter, j)


def test_a_square_lattice_has_the_bonds_of_its_drawing():
    # 3 columns, 2 rows: 0 1 2 below 3 4 5.
    open_bonds = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]
    for periodic, bonds in ((False, open_bonds), (True, [*open_bonds, (0, 2), (3, 5)])):
        spins = sq.systems.ising((3, 2), coupling=1.1, transverse=0.7, longitudinal=0.2, periodic=periodic)
        wanted = sum(-1.1 * pair(6, "Z", i, j) for i, j in bonds)
        wanted = wanted + sum(-0.7 * single(6, "X", j) - 0.2 * single(6, "Z", j) for j in range(6))
        np.testing.assert_allclose(spins.matrix(), wanted.toarray(), atol=1e-14)
        walls = sum((sp.identity(64) - pair(6, "Z", i, j)) / 2 for i, j in bonds)
        np.testing.assert_allclose(spins.operators["domain_walls"].matrix(), walls.toarray(), atol=1e-14)
    staggered = sum(sign * single(6, "Z", j) for j, sign in enumerate([1, -1, 1, -1, 1, -1])) / 6
    np.testing.assert_allclose(spins.operators["staggered"].matrix(), staggered.toarray(), atol=1e-14)


def test_couplings_of_long_range_fall_with_the_shortest_distance():
    sites, exponent = 5, 1.5
    for periodic in (False, True):
        spins = sq.systems.xxz(sites, 0.8, 1.3, field=0.4, periodic=periodic, exponent=exponent)
        wanted = sum(0.2 * single(sites, "Z", j) for j in range(sites))
        for i, j in itertools.combinations(range(sites), 2):
            distance = min(j - i, sites - j + i) if periodic else j - i
            for letter, factor in (("X", 1.0), ("Y", 1.0), ("Z", 1.3)):
                wanted = wanted + 0.8 / 4 * factor / distance**exponent * pair(sites, letter, i, j)
        np.testing.assert_allclose(spins.matrix(), wanted.toarray(), atol=1e-14)


@pytest.mark.parametrize(
    ("model", "values"), [(sq.systems.ising, (1.0, 0.7)), (sq.systems.xxz, (1.0, 0.7)), (sq.systems.ising, (1.0, 0.0))]
)
@pytest.mark.parametrize("periodic", [False, True])
def test_without_a_matrix_a_chain_is_the_same_chain(model, values, periodic):
    dense = model(4, *values, periodic=periodic)
    spins = model(4, *values, periodic=periodic, matrix_free=True)
    assert spins.is_matrix_free and not dense.is_matrix_free
    np.testing.assert_allclose(spins.matrix(), dense.matrix(), atol=1e-14)
    for name in set(dense.operators) - {"parity"}:
        operator = dense.operators[name]
        operator = np.diag(operator) if np.ndim(operator) == 1 else operator
        np.testing.assert_allclose(spins.operators[name].matrix(), operator, atol=1e-14, err_msg=name)
    known = {"parity", "spin_flip", "momentum", "total_sz"}
    assert set(dense.conserved) & known <= set(spins.conserved)


def test_correlations_are_made_on_request():
    operators = sq.systems.ising(13, 1.0, 0.7).operators
    assert "zz_3_12" in operators and "zz_3_12" not in list(operators)
    assert "zz_3_13" not in operators and "zz_3_3" not in operators
    psi = np.zeros(2**13)
    psi[1 << 3] = 1.0
    assert float(operators["zz_3_12"](psi)) == -1.0
    psi = np.full(2**13, 2**-6.5)
    assert float(operators["xx_0_12"](psi)) == pytest.approx(1.0, abs=1e-5)


def test_what_is_conserved_commutes_and_the_rest_is_not_listed():
    listed = {
        "spin_flip, total_sz, parity": "1 X0 X1 + 1 Y0 Y1 + 1 X1 X2 + 1 Y1 Y2 + .5 Z0 Z2",
        "total_sz": "1 X0 X1 + 1 Y0 Y1 + .3 X0 Y2 - .3 Y0 X2 + 1 Z0",
        "spin_flip, parity": "1 X0 X1 + .9 Y0 Y1 + 1 X1 X2 + .9 Y1 Y2",
        "spin_flip": "1 X0 X1 + 1 Y0 Y2",
        "": "1 X0 + 1 Z1 Z2 + 1 Z0",
        "spin_flip, parity, momentum": "1 Z0 Z1 + 1 Z1 Z2 + 1 Z0 Z2 + .4 X0 + .4 X1 + .4 X2",
    }
    for names, terms in listed.items():
        spins = sq.systems.spins(3, terms)
        assert set(spins.conserved) == {name for name in names.split(", ") if name}, terms
        matrix = spins.matrix()
        for name, symmetry in spins.conserved.items():
            operator = np.asarray(symmetry.apply(np.eye(8, dtype=complex)))
            np.testing.assert_allclose(matrix @ operator, operator @ matrix, atol=1e-6, err_msg=name)


def test_the_variance_of_the_energy():
    rng = np.random.default_rng(2)
    psi = rng.normal(size=16) + 1j * rng.normal(size=16)
    psi /= np.linalg.norm(psi)
    spins = sq.systems.ising((2, 2), 1.0, 0.7, longitudinal=0.1)
    matrix = sum(-1.0 * pair(4, "Z", i, j) for i, j in [(0, 1), (2, 3), (0, 2), (1, 3)])
    matrix = matrix + sum(-0.7 * single(4, "X", j) - 0.1 * single(4, "Z", j) for j in range(4))
    wanted = np.linalg.norm(matrix @ psi) ** 2 - np.vdot(psi, matrix @ psi).real ** 2
    assert float(spins.operators["energy_variance"](psi)) == pytest.approx(wanted, rel=1e-5)


def test_bounds_hold_the_spectrum_of_twelve_sites_closely():
    sites, transverse = 12, 0.7
    matrix = sum(-1.0 * pair(sites, "Z", j, j + 1) for j in range(sites - 1))
    matrix = matrix + sum(-transverse * single(sites, "X", j) - 0.3 * single(sites, "Z", j) for j in range(sites))
    lowest, highest = (eigsh(matrix, k=1, which=which)[0][0] for which in ("SA", "LA"))
    low, high = sq.systems.ising(sites, 1.0, transverse, longitudinal=0.3, matrix_free=True).spectrum
    assert low <= lowest <= low + 0.04 * (highest - lowest)
    assert high - 0.04 * (highest - lowest) <= highest <= high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sq.systems.ising(14, 1.0, 0.7, matrix_free=False), "at most 12"),
        (lambda: sq.systems.ising((3, 2), 1.0, 0.7, matrix_free=False), "expected True or None"),
        (lambda: sq.systems.ising((0, 2), 1.0, 0.7), r"sites\[0\]"),
        (lambda: sq.systems.ising((8, 8), 1.0, 0.7), "1 to 30 sites in all; got 8 columns of 8, 64"),
        (lambda: sq.systems.ising(5, 1.0, 0.7, exponent=np.inf), "exponent"),
        (lambda: sq.systems.ising(5, 1.0, 0.7, exponent=-1.0), "exponent: expected at least 0"),
        (lambda: sq.systems.xxz(6, 1.0, 1.0, magnetization=0, matrix_free=True), "sectors"),
        (lambda: sq.systems.ising(13, 1.0, 0.7).energies, "at most 12 sites for energies"),
        (lambda: sq.systems.ising(13, 1.0, 0.7).eigenvectors, "at most 12 sites for eigenvectors"),
        (lambda: sq.systems.ising(13, 1.0, 0.7).matrix(), "at most 12 sites for the matrix"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_states_without_memory_are_refused_with_their_bytes(monkeypatch):
    spins = sq.systems.ising(13, 1.0, 0.7)
    psi, times = np.eye(1, 2**13)[0], np.linspace(0, 0.1, 2)
    monkeypatch.setattr("stochq.systems.pauli.hamiltonian.host_memory", lambda: 1_000_000)
    # 8 bytes an amplitude, 6 states: 2^14 take .79e6, 2^15 1.57e6.
    assert sq.systems.ising(14, 1.0, 0.7).sites == 14
    with pytest.raises(ValueError, match=r"takes 2.62e\+05 bytes.*1.57e\+06 of 1e\+06. Take at most 14 sites"):
        sq.systems.ising(15, 1.0, 0.7)
    monkeypatch.setattr("stochq.ensemble.devices.host_memory", lambda: 100_000)
    watched = {"m": spins.operators["magnetization"]}
    with pytest.raises(ValueError, match="psi0: expected states that fit in memory.*8192 amplitudes.*of 1e"):
        sq.simulate(sq.models.suv(spins, strength=0.5), psi, times, observables=watched, trajectories=2, dt=0.05)
