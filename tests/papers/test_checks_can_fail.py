"""What is checked can fail: with a formula or a model broken on purpose, the check that guards it does."""

import sys

import numpy as np
import pytest

import stochq as sq
from stochq.gaussian import entropy
from stochq.papers import brownian_balance, collapse_entropy, fermi_heating, lattice_transport

EFFORT = 0.05
PRODUCTION, PURE_RATE = entropy.production, entropy._gibbs_rate
FIDELITY, WIGNER, RATE = sq.gaussian.fidelity, sq.gaussian.wigner, sq.bounds.rate_from_power


def larger_production(*arguments):
    return 1.001 * PRODUCTION(*arguments)


def no_pure_states(*arguments):
    return PURE_RATE(*arguments)._replace(diverging=0.0)


def axes_exchanged(state, positions, momenta):
    return WIGNER(state, positions, momenta).swapaxes(-1, -2)


BREAKS = [
    ((entropy, "production"), larger_production, (collapse_entropy, "fig7"), "Π at the start"),
    ((entropy, "production"), larger_production, (brownian_balance, "production"), "over the plane"),
    ((entropy, "production"), larger_production, (brownian_balance, "table"), "late production times time"),
    ((entropy, "_gibbs_rate"), no_pure_states, (collapse_entropy, "map"), "verdicts at f = 2δ"),
    ((sq.gaussian, "wigner"), axes_exchanged, (collapse_entropy, "fig3"), "second moments of the picture"),
    ((sq.gaussian, "fidelity"), lambda a, b: FIDELITY(a, b) ** 0.5, (collapse_entropy, "fig6"), "in Fock space"),
    ((sq.bounds, "rate_from_power"), lambda p, r: 1.02 * RATE(p, r), (fermi_heating, "table1"), "eq. 17"),
]


@pytest.mark.parametrize(("place", "broken", "claim", "name"), BREAKS, ids=[case[3] for case in BREAKS])
@pytest.mark.sweep(2)
def test_a_broken_formula_is_found(monkeypatch, place, broken, claim, name):
    monkeypatch.setattr(*place, broken)
    paper, figure = claim
    checks = [check for check in paper.CLAIMS[figure](EFFORT).checks if name in check.name]
    assert checks and not all(check.passed for check in checks)


@pytest.mark.parametrize("method", ["solve", "solve_diagonal"])
def test_a_broken_network_is_found(monkeypatch, method):
    from stochq.gaussian.transport import Damping

    solved = getattr(Damping, method)
    monkeypatch.setattr(Damping, method, lambda self, source: 1.001 * solved(self, source))
    assert not all(check.passed for check in lattice_transport.CLAIMS["fig2b"](EFFORT).checks)


def test_a_broken_entropy_of_networks_is_found(monkeypatch):
    network = sq.gaussian.Network
    produced = network.entropy_production
    monkeypatch.setattr(network, "entropy_production", lambda self, state: 1.001 * produced(self, state))
    names = [check.name for check in lattice_transport.CLAIMS["temperature"](EFFORT).checks if not check.passed]
    assert all("4 × 4 sites" in name for name in names) and len(names) == 2


def test_a_broken_bound_is_found(monkeypatch):
    thermal = sys.modules["stochq.bounds.thermal"]
    heat = thermal._heat
    monkeypatch.setattr(thermal, "_heat", lambda lengths: 1.02 * heat(lengths))
    names = [check.name for check in fermi_heating.CLAIMS["fig1"](EFFORT).checks if not check.passed]
    assert [name.split(":")[0] for name in names] == ["cryogenic heating", "Neptune", "neutron star"]


def test_a_bias_that_no_case_shows_alone_is_found():
    heating = sys.modules["stochq.papers.fermi_heating.heating"]
    z = np.random.default_rng(2).normal(size=23)
    assert heating._together(z).passed
    assert not heating._together(z + 2.0).passed
    assert not heating._together(0.1 * z).passed


def test_a_wrong_rate_of_entropy_is_found(monkeypatch):
    module = sys.modules["stochq.papers.thermalization.entropy"]
    equation = sq.models.oqt(sq.systems.levels(np.arange(8) ** 1.3), strength=1.0, equilibrium=module.CHI)
    start = np.eye(8)[-1]
    assert module._rate_check(equation, start).passed
    monkeypatch.setattr(module, "RATE", 1.001)
    assert not module._rate_check(equation, start).passed
