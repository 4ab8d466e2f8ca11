"""Bases against matrices written out."""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.systems import ising, levels
from stochq.systems.basis import (
    Columns,
    Energy,
    Given,
    ProductBasis,
    change_basis,
    energy_basis,
    energy_columns,
    into,
    inverse_of,
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


def test_product_bases_rotate_single_spins():
    rng = np.random.default_rng(4)
    unitaries = np.linalg.qr(rng.normal(size=(5, 2, 2)) + 1j * rng.normal(size=(5, 2, 2)))[0]
    columns = reduce(np.kron, unitaries[::-1])
    basis = ProductBasis(unitaries)
    psi = rng.normal(size=(32, 3)) + 1j * rng.normal(size=(32, 3))
    np.testing.assert_allclose(basis.columns(None), columns, atol=1e-14)
    with jax.enable_x64(True):
        rotated = basis.rotation()(jnp.asarray(psi))
        back = change_basis(inverse_of(basis.rotation()), rotated)
    np.testing.assert_allclose(rotated, columns @ psi, atol=1e-13)
    np.testing.assert_allclose(back, psi, atol=1e-13)


@pytest.mark.parametrize("name, pauli", [("x", [[0, 1], [1, 0]]), ("y", [[0, -1j], [1j, 0]]), ("z", [[1, 0], [0, -1]])])
def test_named_product_bases_are_eigenvectors(name, pauli):
    columns = ProductBasis(name, 1).columns(None)
    np.testing.assert_allclose(np.array(pauli) @ columns, columns * [[1, -1]], atol=1e-15)


@pytest.mark.parametrize(
    "unitary, sites, message",
    [
        ("w", 2, "unitary: expected"),
        (np.eye(2), None, "number of sites"),
        (np.eye(3), 2, "shape"),
        (np.stack([np.eye(2)] * 3), 2, "sites: expected 3"),
        ([[1.0, 1.0], [0.0, 1.0]], 2, "U†U differs from 1"),
        ("x", 0, "sites"),
    ],
)
def test_product_bases_that_are_none(unitary, sites, message):
    with pytest.raises(ValueError, match=message):
        ProductBasis(unitary, sites)


def test_large_product_bases_are_no_matrices():
    with pytest.raises(ValueError, match="at most 12 sites"):
        ProductBasis("x", 13).columns(None)
