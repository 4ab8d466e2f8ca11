"""Operators of single spins against Kronecker products."""

from functools import reduce

import numpy as np
import pytest
from numpy.testing import assert_allclose

import stochq as sq
from tests.oracles import by_liouvillian

SITES = 3
LOWER = np.array([[0.0, 0.0], [1.0, 0.0]])
Z = np.diag([1.0, -1.0])


def embedded(matrix, site):
    return reduce(np.kron, [matrix if j == site else np.eye(2) for j in reversed(range(SITES))])


@pytest.mark.parametrize("site", range(SITES))
@pytest.mark.parametrize("matrix", [LOWER, Z, 1j * Z, [[0.1, 2.0j], [-1.0, 0.3]]], ids=["lower", "z", "iz", "any"])
def test_an_operator_at_a_site(matrix, site):
    channel = sq.channels.at_site(matrix, site, SITES)
    assert_allclose(channel.operators()[0], embedded(np.asarray(matrix), site))
    assert channel.count == 1


def test_large_states_have_no_arrays_of_operators_times_states():
    channel = sq.channels.SiteCollapse(np.ones(20))
    assert channel.dim == 2**20
    assert sum(np.size(leaf) for leaf in np.atleast_1d(channel.rates)) == 20


@pytest.mark.parametrize(
    "matrix, site, message",
    [(np.eye(3), 0, "matrix"), (LOWER, 3, "site"), ([[np.nan, 0.0], [0.0, 0.0]], 0, "matrix: expected a finite")],
)
def test_operators_that_are_none(matrix, site, message):
    with pytest.raises(ValueError, match=message):
        sq.channels.at_site(matrix, site, SITES)


def test_negative_rates():
    with pytest.raises(ValueError, match="rates"):
        sq.channels.SiteCollapse([1.0, -1.0])


def test_a_chain_that_decays_at_one_end_and_collapses_along_x():
    terms = {"Z0 Z1": -1.0, "Z1 Z2": -1.0, "X0": -0.7, "X1": -0.7, "X2": -0.7}
    chain = sq.systems.spins(SITES, terms)
    rates, x = np.array([0.3, 0.5, 0.2]), np.array([[0.0, 1.0], [1.0, 0.0]])
    channels = [
        sq.channels.at_site(0.8 * LOWER, 0, SITES),
        sq.channels.SiteCollapse(rates, sq.channels.ProductBasis("x", SITES)),
    ]
    equation = sq.models.unravel(chain, channels)
    start, times = np.eye(8)[0], np.array([0.0, 0.5, 1.0])
    spins = {f"z{j}": np.diag(embedded(Z, j)) for j in range(SITES)}
    result = sq.simulate(equation, start, times, observables=spins, trajectories=4096, dt=0.02, seed=1)
    operators = [embedded(0.8 * LOWER, 0)] + [np.sqrt(rates[j]) * embedded(x, j) for j in range(SITES)]
    rho = by_liouvillian(np.asarray(chain.matrix()), operators, np.outer(start, start), times)
    for name, diagonal in spins.items():
        exact = np.einsum("tii,i->t", rho, diagonal).real
        # Six values within 4 standard errors: a false alarm in 2600 seeds.
        assert np.max(np.abs(result.mean[name] - exact)[1:] / result.stderr[name][1:]) < 4
