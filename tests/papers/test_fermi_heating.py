"""`stochq reproduce fermi-heating`: the table and the exclusion plot."""

import json

import pytest
from typer.testing import CliRunner

from stochq.cli.app import app
from stochq.papers import PAPERS
from stochq.papers.fermi_heating import CLAIMS, reproduce
from tests.papers import reading


def test_the_claims_of_the_paper():
    simulated = ["white-gain", "coloured-gain", "fermions", "heating", "decoherence"]
    assert list(CLAIMS) == ["table1", "fig1", *simulated]
    assert PAPERS["fermi-heating"] is reproduce


def test_table_1(tmp_path):
    assert all(check.passed for check in reproduce(tmp_path, "table1"))
    folder = tmp_path / "fermi-heating"
    with (folder / "table1.csv").open(encoding="utf-8") as file:
        assert "power_per_mass [W/kg],lambda_over_rc2 [1/(s m²)]" in file.readline()
    rows = {row["body"]: row for row in reading.rows(folder / "table1.csv")}
    assert len(rows) == 13
    for name, row in rows.items():
        differs = abs(float(row["relative_difference"]))
        assert differs < 0.005 if name != "neutron star" else differs == pytest.approx(0.2418, abs=1e-3)
    # As published: Phys. Rev. D 99, 103001, Table I.
    assert float(rows["Neptune"]["lambda_over_rc2"]) == pytest.approx(6.57e3, rel=0.005, abs=0)
    assert float(rows["Sun"]["power_per_mass"]) == pytest.approx(1.90e-4, rel=0.005, abs=0)
    assert float(rows["neutron star, as printed"]["lambda_over_rc2"]) == pytest.approx(9.43e7, rel=0.005, abs=0)
    assert not (folder / "table1.png").exists()


def test_the_exclusion_plot(tmp_path):
    done = CliRunner().invoke(app, ["reproduce", "fermi-heating", "fig1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "fermi-heating"
    assert (folder / "fig1.png").stat().st_size > 30_000
    assert "<svg" in (folder / "fig1.svg").read_text(encoding="utf-8")
    names = {row["series"] for row in reading.rows(folder / "fig1.csv")}
    assert {"Neptune", "neutron star", "LISA Pathfinder 2016", "GRW: lowest, proposed, highest"} <= names
    assert all(check["passed"] for check in json.loads((folder / "fermi-heating.json").read_text()))
