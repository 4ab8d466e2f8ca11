"""Means of thermalization without a matrix against SciPy, and what their errors do to a comparison."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

import stochq as sq
from stochq.systems.typicality.ensembles import canonical_equilibrium

TIMES = np.array([0.0, 0.4, 1.5, 3.0])
STRENGTH, HBAR = 0.6, 0.8


def chain_and_equation(sites, **options):
    chain = sq.systems.ising(sites, 1.0, 0.9045, 0.809)
    chi = canonical_equilibrium(chain, 0.3, **options)
    return chain, sq.models.oqt(chain, strength=STRENGTH, equilibrium=chi, hbar=HBAR, noise="complex")


def expected(matrix, psi, operator):
    """(T,) from e^{−at}UρU† + (1 − e^{−at})χ."""
    chi = expm(-0.3 * matrix)
    equilibrium = np.trace(chi @ operator) / np.trace(chi)
    found = []
    for t in TIMES:
        after, left = expm(-1j * t / HBAR * matrix) @ psi, np.exp(-STRENGTH / HBAR * t)
        found.append(left * (after.conj() @ operator @ after) + (1 - left) * equilibrium)
    return np.array(found)


def test_few_states_are_exact():
    chain, equation = chain_and_equation(6)
    matrix, psi = np.asarray(chain.matrix()), np.eye(64)[20]
    lower = np.kron(np.eye(32), [[0, 1], [0, 0]])
    z = np.asarray(chain.operators["magnetization"])
    observables = {"m": z, "lower": lower, "as function": lambda psi: abs(psi) ** 2 @ z, "squared": np.diag(z**2)}
    observables["nonlinear"] = lambda psi: (abs(psi) ** 2 @ z) ** 2
    result = sq.exact.evolve(equation, psi, TIMES, observables=observables, method="typicality")
    assert result.left_out == ("nonlinear",) and result.density is None
    for name, operator in {
        "m": np.diag(z),
        "lower": lower,
        "as function": np.diag(z),
        "squared": np.diag(z**2),
    }.items():
        # The polynomial of χ is right to single precision.
        assert np.allclose(result.expect[name], expected(matrix, psi, operator), atol=1e-5), name
        assert not result.stderr[name].any()
    assert np.iscomplexobj(result.expect["lower"]) and not np.iscomplexobj(result.expect["m"])


def test_of_many_states_the_error_is_told(monkeypatch):
    # The trace over 64 of 256 states' worth of random vectors.
    monkeypatch.setattr("stochq.exact.typical._MOST_VECTORS", 64)
    chain, equation = chain_and_equation(8)
    matrix, psi = np.asarray(chain.matrix()), np.eye(256)[255]
    operators = {"m": np.asarray(chain.operators["magnetization"]), "first": 1.0 - 2 * (np.arange(256) & 1)}
    result = sq.exact.evolve(equation, psi, TIMES, observables=operators, method="typicality")
    chi = expm(-0.3 * matrix) / np.trace(expm(-0.3 * matrix))
    for name, diagonal in operators.items():
        truth = expected(matrix, psi, np.diag(diagonal)).real
        # Of complex vectors: Tr (χ(O − ⟨O⟩))²/R.
        centred = chi @ (np.diag(diagonal) - np.trace(chi @ np.diag(diagonal)) * np.eye(256))
        error = np.sqrt(np.trace(centred @ centred).real / 64) * (1 - np.exp(-STRENGTH / HBAR * TIMES))
        assert np.allclose(result.stderr[name], error, rtol=0.4)
        assert np.all(np.abs(result.expect[name] - truth) <= 4 * error + 1e-6)
        # One estimate, whose error is of one sign at all times.
        assert np.linalg.matrix_rank(result.deviations[name]) == 1
    together = np.sum(result.deviations["m"][-1] * result.deviations["first"][-1])
    first = chi @ (np.diag(operators["first"]) - np.trace(chi @ np.diag(operators["first"])) * np.eye(256))
    m = chi @ (np.diag(operators["m"]) - np.trace(chi @ np.diag(operators["m"])) * np.eye(256))
    theory = np.trace(m @ first).real / 64 * (1 - np.exp(-STRENGTH / HBAR * 3)) ** 2
    assert abs(together - theory) < 0.7 * theory


def test_the_norm_of_an_equilibrium_is_an_error_of_the_rate():
    chain, equation = chain_and_equation(6, trace_rtol=0.05)
    (channel,), matrix, psi = equation.channels, np.asarray(chain.matrix()), np.eye(64)[20]
    z = np.diag(np.asarray(chain.operators["magnetization"]))
    weights = np.asarray(channel.matrix())
    norm = np.trace(weights).real
    assert 0 < float(channel.trace_error) < 0.1 and 0 < abs(norm - 1) < 4 * float(channel.trace_error)
    # dρ/dt = −i[H, ρ] + a(χ Tr ρ − ρ Tr χ): the rate is a Tr χ.
    moved = [
        np.vdot(after, z @ after).real * np.exp(-rate * t) - np.trace(weights @ z).real / norm * np.exp(-rate * t)
        for t in TIMES
        for after in [expm(-1j * t / HBAR * matrix) @ psi]
        for rate in [STRENGTH / HBAR * norm]
    ]
    nominal = [
        np.exp(-STRENGTH / HBAR * t) * (np.vdot(after, z @ after).real - np.trace(weights @ z).real / norm)
        for t in TIMES
        for after in [expm(-1j * t / HBAR * matrix) @ psi]
    ]
    observables = {"m": np.diag(z).copy()}
    result = sq.exact.evolve(equation, psi, TIMES, observables=observables, method="typicality")
    slope = result.deviations["m"][:, 0] / float(channel.trace_error)
    assert np.allclose(np.subtract(moved, nominal), (norm - 1) * slope, atol=3 * (norm - 1) ** 2)


def test_a_comparison_allows_for_the_error_of_the_exact_values():
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0)
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    run = {"observables": {"x": x}, "trajectories": 4000, "dt": 0.25}
    ensemble = sq.simulate(equation, [0.6, 0.8], [0, 0.5, 1], **run)
    exact = sq.exact.evolve(equation, [0.6, 0.8], [0, 0.5, 1], observables={"x": x})
    # An estimate that is off by .03 at both times, and says that it is uncertain by .02.
    off = replace(exact, expect={"x": exact.expect["x"] + [0, 0.03, 0.03]})
    assert sq.compare(ensemble, off).p_value < 1e-6
    told = replace(off, deviations={"x": np.array([[0.0], [0.02], [0.02]])})
    comparison = sq.compare(ensemble, told)
    error = np.hypot(ensemble.stderr["x"][1:], 0.02)
    assert np.allclose(comparison.z["x"][1:], (ensemble.mean["x"] - off.expect["x"])[1:] / error, rtol=1e-3)
    # Both points are off together, which is one deviation of 1.6 standard errors and not two.
    assert ensemble.covariance is not None
    variance = ensemble.covariance / 4000 + 0.02**2
    difference = (ensemble.mean["x"] - off.expect["x"])[1:]
    assert abs(comparison.chi2 - difference @ np.linalg.solve(variance, difference)) < 0.02
    assert comparison.p_value > 0.05


def test_what_has_no_mean_without_a_matrix():
    chain, equation = chain_and_equation(3)
    both = sq.models.unravel(chain, [*equation.channels, sq.channels.Projectors(np.ones(8))], noise="complex")
    with pytest.raises(ValueError, match="'typicality'|\"typicality\" does not apply, it has channels"):
        sq.exact.evolve(both, np.eye(8)[0], TIMES, method="typicality")
    with pytest.raises(ValueError, match="psi0: expected a ket"):
        sq.exact.evolve(equation, np.eye(8) / 8, TIMES, method="typicality")


def test_a_density_matrix_of_few_states_needs_no_pure_one():
    chain = sq.systems.ising(3, 1.0, 0.9045, 0.809, matrix_free=True)
    equation = sq.models.oqt(chain, strength=STRENGTH, equilibrium=sq.canonical(chain, 0.3), hbar=HBAR, noise="complex")
    matrix, operator = np.asarray(chain.matrix()), np.diag(np.arange(8.0))
    one, other = np.eye(8)[1], np.full(8, 8**-0.5)
    rho = 0.25 * np.outer(one, one) + 0.75 * np.outer(other, other)
    exact = sq.exact.evolve(equation, rho, TIMES, observables={"n": operator})
    wanted = 0.25 * expected(matrix, one, operator) + 0.75 * expected(matrix, other, operator)
    np.testing.assert_allclose(exact.expect["n"], wanted.real, atol=2e-6)


@pytest.mark.release
def test_an_ensemble_of_fourteen_spins_has_the_exact_means():
    """A right one is called wrong for one seed in a thousand."""
    chain = sq.systems.ising(14, 1.0, 0.9045, 0.809)
    psi = np.zeros(chain.dim)
    psi[-1] = 1.0
    equation = sq.models.oqt(chain, strength=1.0, equilibrium=sq.canonical(chain, 0.3), noise="complex")
    observables = {name: chain.operators[name] for name in ("magnetization", "zz_3_4", "energy")}
    times = np.linspace(0, 4, 5)
    ensemble = sq.simulate(equation, psi, times, observables=observables, trajectories=64, seed=5)
    assert sq.compare(ensemble, sq.exact.evolve(equation, psi, times, observables=observables)).p_value > 1e-3
