"""`stochq reproduce brownian-balance`: the table of variants and the entropy production of their steady states."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from stochq.papers import PAPERS
from stochq.papers.brownian_balance import CLAIMS, reproduce
from tests.papers import reading


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("brownian-balance")
    checks = reproduce(out, effort=0.1)
    return out / "brownian-balance", checks


@pytest.mark.release
def test_everything_is_there_and_holds(made):
    out, checks = made
    assert PAPERS["brownian-balance"] is reproduce
    assert [check for check in checks if not check.passed] == []
    drawn = ["production", "eq15", "fluctuation-theorem", "trajectories"]
    files = {f"{name}.{form}" for name in drawn for form in ("csv", "png")}
    assert {path.name for path in out.iterdir()} == files | {"table.csv", "brownian-balance.json"}
    assert list(CLAIMS) == ["table", *drawn]


@pytest.mark.long
def test_the_columns_of_the_table(made):
    table = reading.rows(made[0] / "table.csv")
    assert list(table[0]) == [
        "variant", "sigma_qq", "sigma_qp", "sigma_pp", "entropy_production", "entropy_flux", "completely_positive",
        "detailed_balance", "reversible_diffusion",
    ]  # fmt: skip
    assert [row["variant"] for row in table] == [
        "Caldeira-Leggett", "minimal, free", "minimal, oscillator", "cross diffusion, free",
        "cross diffusion, oscillator", "squeezing at balance", "squeezing off balance",
        "position friction off balance", "position friction at balance",
    ]  # fmt: skip


# α, ξ, D_qp and D_qq (None: the least that is completely positive) of each bound variant, written out.
VARIANTS = {
    "Caldeira-Leggett": (0.0, 0.0, 0.0, 0.0),
    "minimal, oscillator": (0.0, 0.0, 0.0, None),
    "cross diffusion, oscillator": (0.0, 0.0, 0.05, None),
    "squeezing at balance": (-0.06, 0.0, 0.0, None),
    "squeezing off balance": (0.1, 0.0, 0.0, None),
    "position friction off balance": (0.0, 0.1, 0.0, None),
    "position friction at balance": (0.0, 0.3, 0.0, None),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_steady_states_and_rates_of_the_bound_variants(made, variant):
    alpha, xi, cross, position = VARIANTS[variant]
    eta, momentum = 0.3, 0.15
    position = ((eta + xi) ** 2 / 16 + cross**2) / momentum if position is None else position
    drift = np.array([[alpha - xi, 1.0], [-1.0, -alpha - eta]])
    noise = 2 * np.array([[position, cross], [cross, momentum]])
    covariance = solve_continuous_lyapunov(drift, -noise)
    row = next(row for row in reading.rows(made[0] / "table.csv") if row["variant"] == variant)
    found = [float(row[name]) for name in ("sigma_qq", "sigma_qp", "sigma_pp")]
    np.testing.assert_allclose(found, [covariance[0, 0], covariance[0, 1], covariance[1, 1]], rtol=1e-10, atol=1e-12)
    # Π = Σ_k ⟨(J_k/W)²⟩/D_kk with J_k/W = A_kk x_k + D_kk [V⁻¹x]_k.
    inverse, produced = np.linalg.inv(covariance), 0.0
    for k, d in enumerate((position, momentum)):
        if d > 0:
            velocity = d * inverse[k]
            velocity[k] += drift[k, k]
            produced += velocity @ covariance @ velocity / d
    assert float(row["entropy_production"]) == pytest.approx(produced, rel=1e-9, abs=1e-12)
    assert float(row["entropy_flux"]) == pytest.approx(produced, rel=1e-9, abs=1e-12)


def test_free_particles_settle_as_integration_says(made):
    for variant, cross in (("minimal, free", 0.0), ("cross diffusion, free", 0.05)):
        row = next(row for row in reading.rows(made[0] / "table.csv") if row["variant"] == variant)
        covariance, step = np.zeros((2, 2)), 0.01
        drift, noise = np.array([[0.0, 1.0], [0.0, -0.3]]), 2 * np.array([[0.1, cross], [cross, 0.15]])
        for _ in range(10_000):
            covariance = covariance + step * (drift @ covariance + covariance @ drift.T + noise)
        assert float(row["sigma_pp"]) == pytest.approx(covariance[1, 1], rel=1e-2)
        assert float(row["sigma_qp"]) == pytest.approx(covariance[0, 1], rel=1e-2)
        assert float(row["sigma_qq"]) == np.inf and covariance[0, 0] > 100


def test_equation_15_as_printed_is_larger_than_the_exact_value(made):
    table = reading.rows(made[0] / "eq15.csv")
    assert list(table[0]) == ["beta", "exact", "closed_form", "eq15_as_printed"]
    for row in table:
        beta, exact, printed = (float(row[name]) for name in ("beta", "exact", "eq15_as_printed"))
        assert exact == pytest.approx(0.3 * beta**2 / 16, rel=1e-10)
        assert printed > exact


def test_production_vanishes_at_balance_only(made):
    table = reading.rows(made[0] / "production.csv")
    beta, alpha, produced = (np.array([float(row[name]) for row in table]) for name in table[0])
    assert np.all(produced >= 0)
    ratio = (beta / 4) ** 2
    balance = -0.3 * ratio / (1 + ratio)
    assert np.all(produced[np.abs(alpha - balance) > 0.02] > 1e-5)
