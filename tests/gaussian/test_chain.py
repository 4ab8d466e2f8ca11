"""Self-consistent baths against brute force, and the chain's closed form against the general path and eqs. 29-31."""

import numpy as np
import pytest

import stochq.gaussian as gaussian
from tests.gaussian.networks import dense_steady_state, random_couplings

GAMMA, PROBE, COUPLING, ENDS = 1e-6, 1e-7, 3e-7, (1.0, 2.0)


def brute_force(couplings, rates, occupations, probes):
    """Each probe takes on the occupation of its mode, again and again until nothing changes."""
    total = rates + probes
    found = np.full(len(total), 0.5)
    for _ in range(4000):
        mean = (rates * occupations + probes * found) / np.where(total > 0, total, 1)
        new = np.diagonal(dense_steady_state(couplings, total, mean)).real
        if np.abs(new - found).max() < 1e-14:
            break
        found = new
    return found


@pytest.mark.parametrize("seed, real", [(0, False), (1, True)])
@pytest.mark.parametrize("probes", [[0.3, 0.8, 0.0, 1.0, 0.5], [0.0, 0.0, 2.0, 0.0, 0.0]])
def test_probes_settle_where_repetition_leads(seed, real, probes):
    couplings = random_couplings(5, seed, real)
    rates, occupations = np.array([0.7, 0.0, 0.0, 0.4, 0.0]), np.array([0.3, 0.0, 0.0, 2.0, 0.0])
    network = gaussian.network(couplings, rates, occupations).with_probes(probes)
    expected = brute_force(couplings, rates, occupations, np.array(probes))
    np.testing.assert_allclose(network.occupations[1], expected, atol=1e-11)
    assert np.abs(network.bath_currents(network.steady_state())[1]).max() < 1e-13


def test_probes_join_several_baths():
    couplings, rates = random_couplings(4, 6), np.array([[0.5, 0, 0, 0.2], [0.1, 0, 0, 0.6]])
    occupations = np.array([[1.0, 0, 0, 3.0], [0.2, 0, 0, 0.0]])
    network = gaussian.network(couplings, rates, occupations).with_probes(0.4)
    assert network.rates.shape == (3, 4)
    assert np.abs(network.bath_currents(network.steady_state())[2]).max() < 1e-13
    np.testing.assert_array_equal(network.occupations[:2], occupations)


def test_probes_in_a_network_at_one_temperature_have_it():
    network = gaussian.network(random_couplings(4, 6), [1.0, 0.0, 0.0, 0.5], 1.7).with_probes(0.2)
    np.testing.assert_allclose(network.occupations[1], 1.7, rtol=1e-14)


def test_far_from_the_resistors_probes_settle_too():
    """Strong hopping, weak probes of very different rates, disorder: the preconditioner is a poor guess."""
    rng = np.random.default_rng(7)
    couplings = np.diag(np.full(39, 30.0), 1)
    couplings = couplings + couplings.T + np.diag(rng.normal(size=40)) + 0.5 * random_couplings(40, 3)
    rates, probes = np.zeros(40), 10.0 ** rng.uniform(-4, 0, size=40)
    rates[[0, 20]] = 1.0
    network = gaussian.network(couplings, rates, np.arange(40) / 20).with_probes(probes)
    relative = network.bath_currents(network.steady_state())[1] / probes
    assert np.abs(relative).max() < 1e-11


def test_probes_without_a_bath_are_refused():
    two_parts = np.kron(np.eye(2), [[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="the part of 2 modes with mode 2 has none"):
        gaussian.network(two_parts, [1.0, 0, 0, 0], 1.0).with_probes(1.0)
    with pytest.raises(ValueError, match="probe rates: expected numbers of at least 0"):
        gaussian.network(two_parts, 1.0, 1.0).with_probes(-1.0)
    with pytest.raises(ValueError, match=r"probe rates: expected a number or shape \(4,\).*got shape \(1, 4\)"):
        gaussian.network(two_parts, 1.0, 1.0).with_probes(np.ones((1, 4)))


def published(sites):
    return gaussian.chain(sites, COUPLING, GAMMA, ENDS, probe=PROBE, frequency=1.0)


@pytest.mark.parametrize(
    "sites, reservoirs, probes", [(10, 1.304613e-8, 8.192812e-9), (100, 5.672859e-10, 3.695592e-9)]
)
def test_the_published_chain(sites, reservoirs, probes):
    found = published(sites).entropy_production()
    assert found.reservoirs.sum() == pytest.approx(reservoirs, rel=5e-7)
    assert found.probes.sum() == pytest.approx(probes, rel=5e-7)


@pytest.mark.parametrize("sites", [2, 3, 10, 3000])
def test_the_chain_sums_to_the_closed_form(sites):
    line = published(sites)
    bottom = 4 * COUPLING**2 + GAMMA**2 + GAMMA * PROBE * (sites - 1)
    assert line.coherence == pytest.approx(GAMMA * COUPLING / bottom, rel=1e-13)  # eq. 29b
    assert line.current == pytest.approx(2 * COUPLING**2 * GAMMA / bottom, rel=1e-13)  # eq. 30
    k = np.arange(1, sites + 1)
    ends = GAMMA**2 * ((k == 1) * 1.0 - (k == sites))
    law = 1.5 - 0.5 * (PROBE * GAMMA * (sites - 2 * k + 1) + ends) / bottom  # eq. 29a
    np.testing.assert_allclose(line.site_occupations, law, rtol=1e-12)
    produced = line.entropy_production()
    total = line.current * (1 / 1.5 - 1 / 2.5)  # eq. 31
    assert produced.reservoirs.sum() + produced.probes.sum() == pytest.approx(total, rel=1e-12)


def test_where_diffusion_costs_more_than_conduction():
    excess = [p.probes.sum() - p.reservoirs.sum() for p in (published(n).entropy_production() for n in (15, 16))]
    assert excess[0] < 0 < excess[1]


@pytest.mark.parametrize("shorter, exponents", [(1000, (-1.98, -0.98)), (2990, (-1.99, -0.99))])
def test_the_powers_of_the_length(shorter, exponents):
    few, many = (published(n).entropy_production() for n in (shorter, 3000))
    found = [np.log(b.sum() / a.sum()) / np.log(3000 / shorter) for a, b in zip(few, many, strict=True)]
    np.testing.assert_allclose(found, exponents, atol=0.005)


@pytest.mark.parametrize(
    "coupling, rate, probe", [(0.3, 1.0, 0.1), (-0.7, (1.0, 0.2), [0.0, 0.5, 0.1, 2.0, 0.3, 0.0, 1.0])]
)
def test_the_chain_is_the_general_network(coupling, rate, probe):
    """Two different reservoirs, probes that differ from site to site, negative coupling: still tridiagonal."""
    line = gaussian.chain(7, coupling, rate, (0.5, 3.0), probe=probe, frequency=2.0)
    rates, occupations = np.zeros(7), np.zeros(7)
    rates[[0, -1]], occupations[[0, -1]] = rate, (0.5, 3.0)
    network = gaussian.network(line.couplings(), rates, occupations).with_probes(probe)
    expected = brute_force(line.couplings(), rates, occupations, np.broadcast_to(probe, 7))
    np.testing.assert_allclose(line.site_occupations, expected, atol=1e-11)
    np.testing.assert_allclose(network.occupations[1], expected, atol=1e-11)
    steady = network.steady_state()
    assert steady[1, 0] == pytest.approx(line.coherence, rel=1e-12)
    np.testing.assert_allclose(np.diagonal(network.currents(steady), 1), line.current, rtol=1e-12)
    produced, general = line.entropy_production(), network.entropy_production(steady)
    np.testing.assert_allclose(produced.reservoirs, general[0, [0, -1]], rtol=1e-11)
    np.testing.assert_allclose(produced.probes, general[1], rtol=1e-11, atol=1e-16)
    np.testing.assert_allclose(line.network().steady_state(), steady, atol=1e-13)


def test_phases_of_the_couplings_do_not_matter_on_a_chain():
    real = np.eye(6, k=1) + np.eye(6, k=-1)
    line = gaussian.chain(6, 1.0, 0.5, (1.0, 0.0), probe=0.3)
    network = gaussian.network(real, [0.5, 0, 0, 0, 0, 0.5], [1.0, 0, 0, 0, 0, 0]).with_probes(0.3)
    np.testing.assert_allclose(network.occupations[1], line.site_occupations, atol=1e-14)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sites": 1}, "sites: expected a whole number of at least 2"),
        ({"coupling": 0.0}, "coupling: expected a number other than 0"),
        ({"rate": 0.0}, "rate: expected numbers greater than 0 at both ends"),
        ({"rate": (1.0, -1.0)}, "rate: expected numbers greater than 0"),
        ({"occupations": (1.0, -2.0)}, "occupations: expected numbers of at least 0"),
        ({"probe": -1.0}, "probe: expected numbers of at least 0"),
        ({"probe": [1.0]}, r"probe: expected a number or shape \(4,\)"),
    ],
)
def test_bad_chains_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        gaussian.chain(**({"sites": 4, "coupling": 1.0, "rate": 1.0, "occupations": (1.0, 2.0)} | change))
