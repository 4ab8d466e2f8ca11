"""Spins whose Hamiltonian is never a matrix against the same spins diagonalised: means, squares, distributions.

Two independent ensembles of each equation, one by each engine, with other random numbers and other steps' errors. Each
comparison (a mean at a time by z, a histogram at a time by χ² of two samples) has a p-value; the least one, times
their number, is held against 10⁻³ (Bonferroni): so a right engine fails once in a thousand sets of seeds at most.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import stochq as sq

COUPLING, TRANSVERSE, LONGITUDINAL, BETA, RATE = 1.0, 0.9, 0.4, 0.3, 0.6
TIMES = np.array([0.0, 0.4, 1.6])
EDGES = np.linspace(-1, 1, 21)
FALSE_ALARMS = 1e-3


def _dense(sites):
    return sq.systems.ising(sites, coupling=COUPLING, transverse=TRANSVERSE, longitudinal=LONGITUDINAL)


def _free(sites):
    """The same chain, string by string."""
    terms = {f"Z{j} Z{j + 1}": -COUPLING for j in range(sites - 1)}
    terms |= {f"X{j}": -TRANSVERSE for j in range(sites)} | {f"Z{j}": -LONGITUDINAL for j in range(sites)}
    return sq.systems.spins(sites, terms)


def _oqt(chain):
    return sq.models.oqt(chain, strength=RATE, equilibrium=sq.canonical(chain, BETA), noise="complex")


def _suv_z(chain):
    return sq.models.suv(chain, strength=RATE)


def _suv_x(chain):
    return sq.models.suv(chain, strength=RATE, basis="x")


def _sui(chain):
    equilibrium = sq.canonical(chain, BETA)
    return sq.models.sui(
        chain, reduction=RATE, thermalization=RATE, equilibrium=equilibrium, basis="x", noise="complex"
    )


def _magnetizations(sites):
    """Σ σ_z / sites and Σ σ_x / sites as matrices, by Kronecker products: the last factor is site 0."""
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    return [
        sum(np.kron(np.kron(np.eye(2 ** (sites - 1 - j)), pauli), np.eye(2**j)) for j in range(sites)) / sites
        for pauli in (np.diag([1.0, -1.0]), flip)
    ]


def _square(operator):
    matrix = jnp.asarray(operator, jnp.float32)
    return lambda psi: jnp.vdot(psi, matrix @ psi).real ** 2


def _run(model, chain, trajectories, seed, dt):
    """The ensemble of one engine. Operators are matrices for both, so that the engine alone differs."""
    z, x = _magnetizations(chain.dim.bit_length() - 1)
    watched = {"z": np.diag(z), "x": x, "z squared": _square(z), "x squared": _square(x)}
    watched |= {"z spread": sq.Histogram(np.diag(z), EDGES), "x spread": sq.Histogram(x, EDGES)}
    # A product state between the bases: every observable moves.
    psi0 = np.ones(1)
    for _ in range(chain.dim.bit_length() - 1):
        psi0 = np.kron(psi0, [np.cos(0.3), np.sin(0.3)])
    return sq.simulate(model(chain), psi0, TIMES, observables=watched, trajectories=trajectories, seed=seed, dt=dt)


def _p_values(a, b):
    """Of means at all times but the first, and of histograms."""
    values = []
    for name in a.mean:
        error = np.hypot(a.stderr[name], b.stderr[name])[1:]
        values.extend(2 * stats.norm.sf(np.abs(a.mean[name] - b.mean[name])[1:] / error))
    for name in a.histograms:
        values.extend(
            _same_law(*counts) for counts in zip(a.histograms[name][1][1:], b.histograms[name][1][1:], strict=True)
        )
    return np.array(values)


def _same_law(a, b):
    """χ² of two samples in bins, the rare ones of which are taken together with their neighbours."""
    groups, total = [], 0.0
    for index, count in enumerate(a + b):
        if not groups or total >= 20:
            groups, total = [*groups, index], 0.0
        total += count
    if total < 20 and len(groups) > 1:
        groups.pop()
    table = np.stack([np.add.reduceat(counts, groups) for counts in (a, b)])
    return stats.chi2_contingency(table, correction=False).pvalue if len(groups) > 1 else 1.0


def _agree(model, sites, trajectories, dt=0.05):
    dense = _run(model, _dense(sites), trajectories, 1, dt)
    free = _run(model, _free(sites), trajectories, 2, dt)
    p = _p_values(dense, free)
    assert p.min() * len(p) > FALSE_ALARMS, p


@pytest.mark.release
def test_both_engines_have_one_law():
    """Collapse in a product basis and thermalization at once."""
    _agree(_sui, sites=6, trajectories=1000, dt=0.1)


@pytest.mark.release
@pytest.mark.parametrize(
    "model, sites, trajectories",
    [(_oqt, 8, 4000), (_oqt, 10, 2000), (_oqt, 12, 400), (_sui, 8, 2000), (_suv_z, 10, 2000), (_suv_x, 10, 2000)],
)
def test_both_engines_have_one_law_of_many_spins(model, sites, trajectories):
    _agree(model, sites, trajectories)


@pytest.mark.release
def test_the_comparison_notices_a_rate_that_is_off_by_a_fifth():
    dense, free = (_run(_suv_z, chain(6), 4000, seed, 0.05) for seed, chain in enumerate((_dense, _free)))
    off = _run(lambda chain: sq.models.suv(chain, strength=1.2 * RATE), _free(6), 4000, 3, 0.05)
    right, wrong = (len(p) * p.min() for p in (_p_values(dense, free), _p_values(dense, off)))
    assert right > FALSE_ALARMS > wrong
