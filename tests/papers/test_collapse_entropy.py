"""`stochq reproduce collapse-entropy`: the columns of every figure, and their numbers against independent ones."""

import numpy as np
import pytest
from scipy.linalg import expm

from stochq.papers import PAPERS
from stochq.papers.collapse_entropy import CLAIMS, reproduce
from tests.gaussian import oracles
from tests.papers.reading import columns, numbers

START = [1 / 1.01, 1 / 1.01, 0.0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with everything, and all checks."""
    out = tmp_path_factory.mktemp("collapse-entropy")
    checks = {check.name: check for check in reproduce(out, effort=0.1)}
    return out / "collapse-entropy", checks


def test_all_figures_are_there():
    assert list(CLAIMS) == [*(f"fig{n}" for n in range(1, 9)), "map", "trajectories"]
    assert PAPERS["collapse-entropy"] is reproduce


@pytest.mark.release
def test_every_check_passes_and_every_picture_is_drawn(made):
    out, checks = made
    assert [check for check in checks.values() if not check.passed] == []
    for name in CLAIMS:
        assert (out / f"{name}.png").stat().st_size > 10_000


@pytest.mark.long
def test_figure_1_solves_the_repaired_equations(made):
    table = numbers(made[0] / "fig1.csv")
    assert list(table) == ["tau", "a", "b", "c"]
    solved = oracles.csl_precision(0.1, 0.0, START, table["tau"])
    np.testing.assert_allclose([table["a"], table["b"], table["c"]], solved, atol=1e-9)


def test_figure_2_relaxes_to_diffusion_over_friction(made):
    table = numbers(made[0] / "fig2.csv")
    assert list(table) == ["friction", "tau", "sigma_qq", "sigma_pp", "sigma_qp"]
    for friction in (0.7, 0.4):
        part = {name: values[table["friction"] == friction] for name, values in table.items()}
        a, b, c = oracles.csl_precision(0.5, friction, START, part["tau"])
        np.testing.assert_allclose(part["sigma_qq"], b / (a * b - c * c) / 2, rtol=1e-9)
        np.testing.assert_allclose(part["sigma_qp"], -c / (a * b - c * c) / 2, atol=1e-9)
        assert part["sigma_pp"][-1] == pytest.approx(0.5 / friction, rel=2e-4)


@pytest.mark.parametrize(("name", "times"), [("fig3", [0, 1.6, 3.2, 5]), ("fig4", [0, 0.32, 0.68, 0.98, 32, 68, 98])])
def test_snapshots_are_at_the_papers_times(made, name, times):
    table = numbers(made[0] / f"{name}.csv")
    assert list(table) == ["tau", "a", "b", "c", "sigma_qq", "sigma_pp", "sigma_qp"]
    np.testing.assert_allclose(table["tau"], times)
    np.testing.assert_allclose(table["a"] * table["sigma_qq"] + table["c"] * table["sigma_qp"], 0.5, rtol=1e-10)


def test_figure_5_and_6_have_every_target(made):
    table = numbers(made[0] / "fig5.csv")
    assert list(table) == ["tau"] + [
        f"{what}_{k}" for what in ("entropy_production", "relative_entropy") for k in range(1, 6)
    ]
    variance = 0.505 + 0.1 * table["tau"]
    swing, across = 0.05 * np.sin(2 * table["tau"]), 0.1 * np.sin(table["tau"]) ** 2
    determinant = variance**2 - swing**2 - across**2
    for k in (1, 3):
        goal = 0.505 * k
        np.testing.assert_allclose(
            table[f"relative_entropy_{k}"], 0.5 * np.log(goal**2 / determinant) + variance / goal - 1, atol=1e-10
        )
    table = numbers(made[0] / "fig6.csv")
    assert list(table)[:6] == ["tau", *(f"fidelity_{k}" for k in range(1, 6))]
    np.testing.assert_allclose(table["mean_excitations"], 0.005 + 0.1 * table["tau"], atol=1e-11)
    np.testing.assert_allclose(table["mean_excitations_target_3"], 1.015, rtol=1e-12)


@pytest.mark.parametrize(("name", "diffusion", "friction"), [("fig7", 0.9, 0.4), ("fig8", 0.5, 0.8)])
def test_entropy_production_is_the_square_of_the_current(made, name, diffusion, friction):
    table = numbers(made[0] / f"{name}.csv")
    produced, relative = (table[f"{what}_{friction}"] for what in ("entropy_production", "relative_entropy"))
    a, b, c = oracles.csl_precision(diffusion, friction, START, table["tau"])
    target = diffusion / friction
    kept = 0.5 * np.log(4 * target**2 * (a * b - c * c)) + (a + b) / (4 * target * (a * b - c * c)) - 1
    np.testing.assert_allclose(relative, kept, atol=1e-9)
    # Π = ⟨(J_p/W)²⟩/δ with J_p/W = −fp + δ[Σ⁻¹x]_p, Σ⁻¹ = 2((a, c), (c, b)).
    q, p = 2 * diffusion * c, 2 * diffusion * b - friction
    square = (q**2 * b + p**2 * a - 2 * q * p * c) / (2 * (a * b - c * c))
    np.testing.assert_allclose(produced, square / diffusion, atol=1e-8)


def test_the_map_says_where_what_fails(made):
    table = columns(made[0] / "map.csv")
    assert set(table["verdict"]) == {"both hold", "quantum second law fails", "positivity fails"}
    ratio = table["friction"].astype(float) / (2 * table["delta"].astype(float))
    assert np.all(table["verdict"][ratio > 1.01] == "positivity fails")
    assert np.all(table["least_entropy_production"].astype(float) >= 0)
    # A pure state narrow in q loses determinant at once where e^{-2r} < f/2δ; ours has one hundredth to spare.
    r, angle = table["squeezing"].astype(float), table["angle"].astype(float)
    # (Beyond r = .7 the oscillation turns it away in time.)
    lost = (angle == 0) & (np.exp(-2 * r) < 0.6 * ratio) & (r < 0.7) & (table["delta"] == "0.5")
    assert lost.any() and np.all(table["verdict"][lost] == "positivity fails")
    kept = (angle == 0) & (np.exp(-2 * r) > 1.2 * ratio)
    assert kept.any() and not np.any(table["verdict"][kept] == "positivity fails")


def test_a_verdict_of_the_map_by_integration(made):
    """One point of each kind, by the moment equations and the entropy of a Gibbs state written out."""
    table = columns(made[0] / "map.csv")
    delta, friction, r, angle = (table[name].astype(float) for name in ("delta", "friction", "squeezing", "angle"))
    for verdict in ("both hold", "quantum second law fails", "positivity fails"):
        chosen = np.flatnonzero((table["verdict"] == verdict) & (delta == 0.5) & (r > 0.3) & (friction < 0.95))
        index = chosen[len(chosen) // 2]
        turn = np.array([[np.cos(angle[index]), -np.sin(angle[index])], [np.sin(angle[index]), np.cos(angle[index])]])
        start = 0.505 * turn @ np.diag(np.exp([-2 * r[index], 2 * r[index]])) @ turn.T
        drift, noise = np.array([[0, 1], [-1, -friction[index]]]), np.diag([0, 1.0])
        _, v = oracles.moments(drift, noise, np.zeros(2), start, np.linspace(0, 8, 801))
        nu = np.sqrt(np.linalg.det(v))
        assert (nu.min() < 0.5 - 1e-6) == (verdict == "positivity fails")
        if verdict != "positivity fails":
            steady = 0.5 / friction[index]
            own, fixed = (np.log((x + 0.5) / (x - 0.5)) for x in (nu, steady))
            slopes = drift @ v + v @ drift.T + noise
            rate = 0.5 * (own * nu * np.einsum("tij,tji->t", np.linalg.inv(v), slopes))
            rate -= 0.5 * fixed * np.trace(slopes, axis1=1, axis2=2)
            assert (rate.min() < -1e-9) == (verdict == "quantum second law fails")
            found = float(table["least_spohn_production"][index])
            assert found == pytest.approx(rate.min(), abs=0.02 * np.abs(rate).max())


def test_where_the_steady_state_is_pure_the_momentum_decides(made):
    """At f = 2δ, d⟨n⟩/dt = δ(1 - 2⟨p²⟩), and Spohn's production is infinite with the opposite sign."""
    table = columns(made[0] / "map.csv")
    delta, friction, r, angle, least = (
        table[name].astype(float) for name in ("delta", "friction", "squeezing", "angle", "least_spohn_production")
    )
    times = np.concatenate([np.linspace(0, 2, 101), np.linspace(2.1, 30, 280)])
    rows = np.flatnonzero(np.isclose(friction, 2 * delta, rtol=1e-9))
    assert len(rows) == 108
    moves_at = {f: expm(np.array([[0, 1], [-1, -f]]) * times[:, None, None]) for f in np.unique(friction[rows])}
    for index in rows:
        moves = moves_at[friction[index]]
        axes = np.array([[np.cos(angle[index]), -np.sin(angle[index])], [np.sin(angle[index]), np.cos(angle[index])]])
        start = 0.505 * axes @ np.diag(np.exp([-2 * r[index], 2 * r[index]])) @ axes.T
        v = 0.5 * np.eye(2) + moves @ (start - 0.5 * np.eye(2)) @ moves.swapaxes(1, 2)
        below = np.linalg.det(v).min() < 0.25 - 1e-9
        cools = v[:, 1, 1].min() < 0.5 - 1e-9
        expected = "positivity fails" if below else "quantum second law fails" if cools else "both hold"
        assert table["verdict"][index] == expected
        if not below:
            assert least[index] == (-np.inf if cools else np.inf)


def test_an_unknown_figure_is_named(tmp_path):
    with pytest.raises(ValueError, match="figure: expected one of fig1, .*got 'fig9'"):
        reproduce(tmp_path, "fig9")
