"""`stochq reproduce thermalization`: its machinery, and the claims that are quick, with few trajectories."""

import csv
import dataclasses
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli.app import app
from stochq.papers import PAPERS, checks, output
from stochq.papers.checks import Check
from stochq.papers.output import Claim, Series
from stochq.papers.thermalization import CLAIMS, reproduce, setting
from tests.judging import judge_mean

PARTS = "stochq.papers.thermalization."


def empty_claim(effort, tolerance=1.0):
    from stochq import plotting

    made, _ = plotting.figure()
    return Claim(
        [Series("a", [0, 1], [2.0, 3.0], [0.1, 0.2], units=("s", "J")), Series("b", 0.5, 1.0, units=("s", "1"))],
        [Check("number", 1.0, 1.5, tolerance * effort)],
        made,
    )


def test_the_claims_of_the_paper_are_all_there():
    assert list(CLAIMS) == [
        "relaxation", "energy-window", "entropy", "born", "collapse-time", "hybrid-steady-state", "no-signalling",
        "size-scaling", "single-trajectory", "coherence", "limit",
    ]  # fmt: skip
    assert PAPERS["thermalization"] is reproduce


def test_a_claim_becomes_a_table_a_picture_and_checks(tmp_path):
    found = output.reproduce("paper", {"one": empty_claim, "two": empty_claim}, tmp_path, None, 1.0)
    folder = tmp_path / "paper"
    assert {path.name for path in folder.iterdir()} == {"one.csv", "one.png", "two.csv", "two.png", "paper.json"}
    with (folder / "one.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["series", "x", "x_unit", "y", "y_unit", "stderr"],
        ["a", "0", "s", "2", "J", "0.1"],
        ["a", "1", "s", "3", "J", "0.2"],
        ["b", "0.5", "s", "1", "1", ""],
    ]
    assert [check.name for check in found] == ["one: number", "two: number"]
    assert [check.passed for check in found] == [True, True]


def test_an_unknown_figure_is_named(tmp_path):
    with pytest.raises(ValueError, match="figure: expected one of relaxation, .*got 'relaxtion'"):
        reproduce(tmp_path, "relaxtion")


def test_the_command_fails_when_a_check_fails(tmp_path, monkeypatch):
    def paper(out, figure, effort):
        return output.reproduce(
            "paper", {"one": lambda effort: empty_claim(effort, tolerance=0.1)}, out, figure, effort
        )

    monkeypatch.setitem(PAPERS, "thermalization", paper)
    result = CliRunner().invoke(app, ["reproduce", "thermalization", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "0 of 1 checks passed" in result.output


def test_a_check_that_is_not_a_number_fails():
    assert not Check("bad", float("nan"), 0.0, 1.0).passed
    assert not Check("bad", 0.0, 0.0, float("nan")).passed


def test_the_error_of_few_groups_is_taken_for_what_it_is():
    exact, few = (checks.by_error("x", 0.0, 1.0, 0.0, groups) for groups in (None, 8))
    assert 4.3 < exact.tolerance < 4.5 < few.tolerance


def test_the_jackknife_removes_the_bias_of_a_square():
    rng = np.random.default_rng(3)
    data = rng.normal(1.0, 1.0, size=(4000, 10))
    found = np.array([setting.jackknife(list(row), lambda some: np.mean(some) ** 2) for row in data])
    values, errors = found.T
    judge_mean(values.mean(), values.std() / 4000**0.5, 1.0, "jackknife")
    assert abs(np.mean(errors**2) / values.var() - 1) < 0.1


def test_the_squared_distance_has_no_bias():
    rng = np.random.default_rng(5)
    relaxation = sys.modules[PARTS + "relaxation"]
    psi = rng.normal(size=(20_000, 6, 3)) + 1j * rng.normal(size=(20_000, 6, 3))
    psi /= np.linalg.norm(psi, axis=-1, keepdims=True)
    density = np.einsum("nki,nkj->nij", psi, psi.conj()) / 6
    target = np.diag([0.5, 0.5, 0.0])

    @dataclasses.dataclass
    class Group:
        density: np.ndarray
        trajectories: int = 6

    values = np.array([relaxation._squared_distance([Group(rho[None])], target)[0] for rho in density])
    judge_mean(values.mean(), values.std() / len(values) ** 0.5, np.sum((np.eye(3) / 3 - target) ** 2), "distance")


def test_the_fitted_rate_is_the_rate():
    scaling = sys.modules[PARTS + "scaling"]
    times = np.linspace(0, 2, 6)
    result = sq.EnsembleResult(
        times=times, mean={"energy": np.exp(-1.3 * times)}, stderr={}, variance={}, trajectories=100, failed=0, seed=0,
        scheme="", dt=0.1, precision="double", fingerprint={}, ranges=[], covariance=np.eye(5) * 0.01 + 0.005,
        covariance_points=[("energy", index) for index in range(1, 6)],
    )  # fmt: skip
    rate, error = scaling._fit_rate(result)
    assert rate == pytest.approx(1.3, abs=1e-6)
    assert 0 < error < 0.1


@pytest.mark.parametrize("name", ["born", "collapse-time", pytest.param("entropy", marks=pytest.mark.release)])
def test_a_claim_holds(name, tmp_path):
    for check in reproduce(tmp_path, name, effort=0.25):
        assert check.passed, check
    folder = tmp_path / "thermalization"
    assert (folder / f"{name}.png").stat().st_size > 10_000
    rows = (folder / f"{name}.csv").read_text().splitlines()
    assert len(rows) > 10


def test_the_window_has_a_third_of_the_variance():
    window = sys.modules[PARTS + "energy_window"]
    assert window._even_spectra().y[-1] == pytest.approx(1 / 3, abs=4e-3)
    chi = sq.microcanonical(*window._symmetric())
    assert chi.window.energy == pytest.approx(chi.window.state_energy, abs=1e-12)
    chi = sq.microcanonical(*window._lopsided())
    assert abs(chi.window.energy - chi.window.state_energy) > 0.1


def test_the_steady_states_of_the_chain_go_from_one_limit_to_the_other():
    _, found = sys.modules[PARTS + "hybrid"]._chain(np.array([1e-3, 2e-3, 1e5]))
    for check in found:
        assert check.passed, check
