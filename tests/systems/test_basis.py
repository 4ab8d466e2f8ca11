"""Bases against matrices written out."""

import numpy as np

from stochq.systems import ising, levels
from stochq.systems.basis import (
    Columns,
    Energy,
    Given,
    energy_basis,
    energy_columns,
    into,
    on_energies,
    out_of,
    overlap,
)


def test_energies_that_do_not_ascend():
    falling = levels([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(energy_columns(falling), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(Energy().columns(falling), energy_columns(falling))
    np.testing.assert_array_equal(on_energies(falling, np.array([0.5, 0.3, 0.2])), [0.2, 0.5, 0.3])
    assert isinstance(energy_basis(falling), Given)
    assert Energy().columns(levels([1.0, 2.0])) is None


def test_operators_change_basis_and_back():
    rng = np.random.default_rng(3)
    columns = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))[0]
    operator = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    written = into(columns, operator)
    np.testing.assert_allclose(written[1, 2], columns[:, 1].conj() @ operator @ columns[:, 2], atol=1e-14)
    np.testing.assert_allclose(out_of(columns, written), operator, atol=1e-14)
    amplitudes = rng.normal(size=3)
    other = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    there = overlap(columns, other) @ amplitudes
    np.testing.assert_allclose(columns @ there, other @ amplitudes, atol=1e-14)
    np.testing.assert_allclose(overlap(columns, None) @ amplitudes, columns.conj().T @ amplitudes, atol=1e-14)
    assert overlap(None, other) is other and overlap(None, None) is None
    np.testing.assert_allclose(into(columns, np.arange(3.0)), into(columns, np.diag(np.arange(3.0))), atol=1e-14)


def test_the_energy_basis_diagonalises_the_hamiltonian():
    chain = ising(3, 1.0, 0.7, 0.2)
    np.testing.assert_allclose(into(energy_columns(chain), chain.matrix()), np.diag(chain.energies), atol=1e-12)
    assert isinstance(energy_basis(chain), Energy)
    assert Columns(np.eye(8)).columns(chain).shape == (8, 8)
