"""Products, shifts and the eigensolver against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.systems.eigen import sector_eigh
from stochq.systems.linear import apply_bands, apply_matrix, scale, shift, taylor_exponential


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("columns", [(), (4,)])
@pytest.mark.parametrize("kind", [np.real, np.asarray])
def test_products(rng, kind, columns):
    matrix = kind(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))
    for psi in (rng.normal(size=(3, *columns)), rng.normal(size=(3, *columns)) + 1j * rng.normal(size=(3, *columns))):
        with jax.enable_x64(True):
            np.testing.assert_allclose(apply_matrix(matrix, psi), matrix @ psi, atol=1e-14)
            np.testing.assert_allclose(scale(matrix[0], psi), (psi.T * matrix[0]).T, atol=1e-14)


@pytest.mark.parametrize("offset", [-3, -1, 0, 2])
def test_shift(offset):
    psi = np.arange(1.0, 4.0)
    expected = [psi[i + offset] if 0 <= i + offset < 3 else 0.0 for i in range(3)]
    np.testing.assert_array_equal(shift(psi, offset), expected)
    np.testing.assert_array_equal(shift(np.outer(psi, [1.0, 2.0]), offset), np.outer(expected, [1.0, 2.0]))


def test_bands(rng):
    bands = rng.normal(size=(2, 4))
    matrix = np.diag(bands[0][:-1], 1) + np.diag(bands[1][2:], -2)
    psi = rng.normal(size=4) + 1j * rng.normal(size=4)
    with jax.enable_x64(True):
        np.testing.assert_allclose(apply_bands((1, -2), bands, psi), matrix @ psi, atol=1e-14)


def test_the_taylor_series_is_of_fourth_order():
    with jax.enable_x64(True):
        errors = [
            abs(complex(taylor_exponential(lambda psi: 2.0 * psi, dt, jnp.ones(1, complex))[0]) - np.exp(-2j * dt))
            for dt in (0.1, 0.05)
        ]
    assert 30 < errors[0] / errors[1] < 34


@pytest.mark.parametrize("traced", [False, True])
def test_sectors_sharpen_degenerate_levels(traced):
    """The identity couples nothing, yet the eigenvectors keep to the sectors; a coupled block is diagonalised."""
    matrix = np.array([[1.0, 0, 0, 0.5], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0.5, 0, 0, 1.0]])
    charge = np.array([1.0, 0.0, -1.0, 1.0])
    with jax.enable_x64(True):
        solve = (
            (lambda m: jax.jit(lambda m: sector_eigh(m, [charge]))(m)) if traced else lambda m: sector_eigh(m, [charge])
        )
        energies, vectors = map(np.asarray, solve(matrix))
    np.testing.assert_allclose(energies, [0.5, 1.0, 1.0, 1.5])
    np.testing.assert_allclose(matrix @ vectors, vectors * energies, atol=1e-14)
    spread = charge**2 @ vectors**2 - (charge @ vectors**2) ** 2
    np.testing.assert_allclose(spread, 0.0, atol=1e-14)
