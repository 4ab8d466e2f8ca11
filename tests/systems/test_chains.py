"""Spin chains against products of Pauli matrices."""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from stochq.systems import ising, xxz
from stochq.systems.hamiltonian import Diagonal
from stochq.systems.sectors import sector, sector_dim

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])


def _product(sites, factors):
    """Tensor product with factors[j] at site j; bit 0 is the last factor of the Kronecker product."""
    return reduce(np.kron, [factors.get(j, np.eye(2)) for j in reversed(range(sites))])


def _bonds(sites, periodic):
    return [(j, (j + 1) % sites) for j in range(sites if periodic and sites > 2 else sites - 1)]


def _ising(sites, coupling, transverse, longitudinal, periodic):
    pairs = sum(_product(sites, {i: Z, j: Z}) for i, j in _bonds(sites, periodic))
    return (
        -coupling * pairs
        - transverse * sum(_product(sites, {j: X}) for j in range(sites))
        - longitudinal * sum(_product(sites, {j: Z}) for j in range(sites))
    )


def _xxz(sites, coupling, anisotropy, field, periodic):
    pairs = sum(
        _product(sites, {i: X, j: X}) + _product(sites, {i: Y, j: Y}) + anisotropy * _product(sites, {i: Z, j: Z})
        for i, j in _bonds(sites, periodic)
    )
    return coupling * pairs / 4 + field / 2 * sum(_product(sites, {j: Z}) for j in range(sites))


@pytest.mark.parametrize("sites", [2, 3, 5])
@pytest.mark.parametrize("periodic", [False, True])
def test_ising_matrix(sites, periodic):
    chain = ising(sites, 1.3, 0.7, 0.2, periodic)
    np.testing.assert_allclose(chain.matrix(), _ising(sites, 1.3, 0.7, 0.2, periodic), atol=1e-14)


@pytest.mark.parametrize("sites", [2, 3, 5])
@pytest.mark.parametrize("periodic", [False, True])
def test_xxz_matrix(sites, periodic):
    chain = xxz(sites, 1.3, 0.7, 0.2, periodic)
    np.testing.assert_allclose(chain.matrix(), _xxz(sites, 1.3, 0.7, 0.2, periodic), atol=1e-14)


def test_ising_observables():
    sites = 3
    operators = ising(sites, 1.0, 0.5).operators
    spins = [_product(sites, {j: Z}).diagonal() for j in range(sites)]
    np.testing.assert_array_equal(operators["sigma_z_1"], spins[1])
    np.testing.assert_allclose(operators["magnetization"], np.mean(spins, axis=0))
    np.testing.assert_allclose(operators["staggered"], (spins[0] - spins[1] + spins[2]) / 3)
    np.testing.assert_allclose(operators["transverse"], sum(_product(sites, {j: X}) for j in range(sites)) / sites)
    np.testing.assert_array_equal(operators["domain_walls"], [0, 1, 2, 1, 1, 2, 1, 0])


def test_ising_without_transverse_field_is_diagonal():
    chain = ising(3, 1.0, 0.0, 0.3)
    assert isinstance(chain, Diagonal)
    np.testing.assert_allclose(chain.matrix(), _ising(3, 1.0, 0.0, 0.3, False), atol=1e-14)
    assert list(chain.conserved) == ["magnetization", "domain_walls", "parity"]


def test_one_site():
    np.testing.assert_allclose(ising(1, 1.0, 0.5, 0.3).matrix(), -0.5 * X - 0.3 * Z)


@pytest.mark.parametrize(("sites", "periodic"), [(2, False), (5, False), (6, False), (6, True)])
@pytest.mark.parametrize("with_parity", [False, True])
def test_the_sectors_together_have_the_whole_spectrum(sites, periodic, with_parity):
    found, parameters = [], (1.0, 0.6, 0.1, periodic)
    for down in range(sites + 1):
        for parity in (1, -1) if with_parity else (None,):
            magnetization = sites / 2 - down
            dim = sector_dim(sites, magnetization, parity)
            assert dim == len(sector(sites, magnetization, parity).states)
            if dim:
                part = xxz(sites, *parameters, magnetization=magnetization, parity=parity)
                assert part.dim == dim
                np.testing.assert_allclose(part.operators["total_sz"], magnetization)
                found.append(part.energies)
    np.testing.assert_allclose(np.sort(np.concatenate(found)), np.linalg.eigvalsh(_xxz(sites, *parameters)), atol=1e-12)


@pytest.mark.parametrize("parity", [1, -1])
def test_parity_alone(parity):
    matrix = _xxz(5, 1.0, 0.6, 0.1, False)
    part = xxz(5, 1.0, 0.6, 0.1, parity=parity)
    assert part.dim == sector_dim(5, None, parity)
    images = [int(f"{state:05b}"[::-1], 2) for state in range(32)]
    reflection = np.eye(32)[images]
    values, vectors = np.linalg.eigh(matrix + 100 * parity * reflection)
    expected = values[values > 50] - 100
    np.testing.assert_allclose(part.energies, expected, atol=1e-11)
    assert list(part.conserved) == ["total_sz"]
    assert "sigma_z_0" not in part.operators
    assert vectors.shape == (32, 32)


@pytest.mark.parametrize(
    "chain", [xxz(6, 1.0, 1.0), xxz(6, 1.0, 1.0, periodic=True), ising(6, 1.0, 0.8, periodic=True)]
)
def test_conserved_quantities_are_sharp_in_degenerate_levels(chain):
    assert np.min(np.diff(chain.energies)) < 1e-10
    for name in {"parity", "total_sz"} & set(chain.conserved):
        operator = chain.conserved[name]
        matrix = np.diag(operator) if operator.ndim == 1 else operator
        means = np.einsum("ik,ij,jk->k", chain.eigenvectors, matrix, chain.eigenvectors)
        squares = np.einsum("ik,ij,jk->k", chain.eigenvectors, matrix @ matrix, chain.eigenvectors)
        np.testing.assert_allclose(squares, means**2, atol=1e-11)


def test_the_flip_of_all_spins():
    flip = _product(4, dict.fromkeys(range(4), X))
    for chain in (ising(4, 1.0, 0.8), ising(4, 1.0, 0.0), xxz(4, 1.0, 0.5)):
        np.testing.assert_array_equal(chain.conserved["spin_flip"], flip)
        np.testing.assert_allclose(flip @ chain.matrix(), chain.matrix() @ flip, atol=1e-14)
    for chain in (ising(4, 1.0, 0.8, 0.1), xxz(4, 1.0, 0.5, 0.1), xxz(4, 1.0, 0.5, magnetization=1)):
        assert "spin_flip" not in chain.conserved


@pytest.mark.parametrize(("sites", "parity"), [(4, 1), (4, -1), (6, -1)])
def test_the_flip_within_a_sector(sites, parity):
    """The matrix of the whole chain's flip between the vectors |s> + parity |Rs>, normalised."""
    part = xxz(sites, 1.0, 0.5, magnetization=0, parity=parity)
    basis = []
    for s in sector(sites, 0.0, parity).states:
        vector = np.zeros(2**sites)
        vector[s] += 1
        vector[int(f"{s:0{sites}b}"[::-1], 2)] += parity
        basis.append(vector / np.linalg.norm(vector))
    flip = np.array(basis) @ _product(sites, dict.fromkeys(range(sites), X)) @ np.array(basis).T
    np.testing.assert_allclose(part.conserved["spin_flip"], flip, atol=1e-14)


@pytest.mark.parametrize(("sites", "magnetization"), [(4, None), (5, None), (6, 0.0), (2, None)])
def test_the_momentum_of_a_ring(sites, magnetization):
    """exp(iK) moves the spin of site j to site j + 1: bits rotate to the left."""
    ring = xxz(sites, 1.0, 0.5, 0.3, periodic=True, magnetization=magnetization)
    momentum = ring.conserved["momentum"]
    states = sector(sites, magnetization, None).states.tolist()
    moved = [int(f"{s:0{sites}b}"[1:] + f"{s:0{sites}b}"[0], 2) for s in states]
    translation = np.array([[float(row == target) for target in moved] for row in states])
    np.testing.assert_allclose(scipy.linalg.expm(1j * momentum), translation, atol=1e-12)
    np.testing.assert_allclose(momentum @ ring.matrix(), ring.matrix() @ momentum, atol=1e-12)
    values = np.linalg.eigvalsh(momentum)
    assert -np.pi + 1e-9 < values.min() and values.max() < np.pi + 1e-9
    assert "momentum" not in xxz(4, 1.0, 0.5).conserved
    assert "momentum" not in xxz(4, 1.0, 0.5, periodic=True, parity=1).conserved
    assert "momentum" in ising(4, 1.0, 0.5, periodic=True).conserved


def test_known_ground_state_of_the_heisenberg_ring():
    """Four spins with antiferromagnetic exchange: E_0 = -2 J."""
    np.testing.assert_allclose(xxz(4, 1.0, 1.0, periodic=True, magnetization=0, parity=1).energies[0], -2.0)


@pytest.mark.parametrize(
    "build",
    [
        lambda g: ising(4, 1.0, g),
        lambda g: ising(4, g, 0.9, 0.1),
        lambda g: xxz(4, 1.0, g, 0.1),
        lambda g: xxz(4, g, 1.0, magnetization=0, parity=1),
    ],
)
def test_derivatives_with_respect_to_parameters(build):
    with jax.enable_x64(True):
        start = jnp.asarray(np.linspace(1, 2, build(0.5).dim), dtype=jnp.complex128)
        observable = np.arange(float(len(start)))

        @jax.jit
        def mean(g):
            psi = build(g).propagate(0.0, 0.7, start)
            return jnp.sum(observable * jnp.abs(psi) ** 2)

        derivative = jax.jit(jax.grad(mean))(0.6)
        numeric = (mean(0.6 + 1e-5) - mean(0.6 - 1e-5)) / 2e-5
    np.testing.assert_allclose(derivative, numeric, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ising(0, 1.0, 1.0), "sites: expected a whole number of at least 1 and at most 30; got 0"),
        (lambda: ising(True, 1.0, 1.0), "sites: expected a whole number"),
        (lambda: ising(13, 1.0, 1.0, matrix_free=False), "at most 12 with matrix_free=False; got 13"),
        (lambda: ising(3, np.nan, 1.0), "coupling: expected a finite real number; got nan"),
        (lambda: ising(3, 1.0, 1j), "transverse: expected a finite real number"),
        (lambda: ising(3, 1.0, 1.0, "a"), "longitudinal: expected a finite real number; got 'a'"),
        (lambda: xxz(1, 1.0, 1.0), "sites: expected a whole number of at least 2"),
        (lambda: xxz(3, 1.0, 1.0, magnetization=0.0), r"magnetization: expected a total S_z from -1\.5 to 1\.5"),
        (lambda: xxz(4, 1.0, 1.0, magnetization=3), "magnetization: expected.*got 3"),
        (lambda: xxz(4, 1.0, 1.0, parity=2), "parity: expected 1, -1 or None; got 2"),
        (lambda: xxz(4, 1.0, 1.0, magnetization=2, parity=-1), "have 0.*take other values of them"),
        (lambda: xxz(16, 1.0, 1.0, magnetization=0), "4096 states; 16 sites.*have 12870.*Fix the magnetization"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
