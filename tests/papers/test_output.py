"""What is written of a claim: one folder a paper, columns with units, checks of all figures made so far."""

import json

import numpy as np
import pytest

from stochq.papers.checks import Check, by_error
from stochq.papers.output import Claim, Series, Table, reproduce

EMPTY = Table({}, {})


def test_a_table_is_written_column_by_column(tmp_path):
    table = Table(
        {"variant": ["minimal", "squeezed"], "sigma_qq": np.array([0.63625, 1 / 3]), "balance": [False, True]},
        {"sigma_qq": "ħ"},
    )
    reproduce("paper", {"table": lambda effort: Claim(table, [], None)}, tmp_path, None, 1.0)
    assert (tmp_path / "paper" / "table.csv").read_text(encoding="utf-8").splitlines() == [
        "variant,sigma_qq [ħ],balance",
        "minimal,0.63625,False",
        "squeezed,0.333333333333,True",
    ]
    assert not (tmp_path / "paper" / "table.png").exists()


def test_columns_of_numbers_have_units_and_words_have_none():
    with pytest.raises(ValueError, match=r"units: expected one for each column of numbers, \['b'\]; got \['a'\]"):
        Table({"a": ["x"], "b": [1]}, {"a": "m"})


def test_columns_of_unequal_length_are_an_error(tmp_path):
    claim = Claim(Table({"a": [1.0], "b": [1.0, 2.0]}, {"a": "1", "b": "1"}), [], None)
    with pytest.raises(ValueError, match="zip"):
        reproduce("paper", {"table": lambda effort: claim}, tmp_path, None, 1.0)


def test_series_carry_their_errors_and_units(tmp_path):
    units = ("s", "J")
    series = [Series("mean", [0.0, 1.0], [0.5, 0.25], [0.1, 0.2], units=units), Series("exact", 0.0, 0.5, units=units)]
    reproduce("paper", {"curve": lambda effort: Claim(series, [], None)}, tmp_path, "curve", 1.0)
    lines = (tmp_path / "paper" / "curve.csv").read_text().split()
    assert lines == ["series,x,x_unit,y,y_unit,stderr", "mean,0,s,0.5,J,0.1", "mean,1,s,0.25,J,0.2", "exact,0,s,0.5,J,"]


def claims(value):
    return {
        "fig1": lambda effort: Claim(EMPTY, [by_error("mean", value, 0.5, 1.0)], None),
        "fig2": lambda effort: Claim(EMPTY, [Check("limit", value, 3.0, 0.5)], None),
    }


def test_papers_share_a_folder_and_figures_add_their_checks(tmp_path):
    for paper, value in (("one", 1.0), ("other", 2.0)):
        for figure in ("fig2", "fig1"):
            reproduce(paper, claims(value), tmp_path, figure, 1.0)
    kept = {paper: json.loads((tmp_path / paper / f"{paper}.json").read_text()) for paper in ("one", "other")}
    assert [(entry["figure"], entry["name"], entry["value"]) for entry in kept["one"]] == [
        ("fig1", "mean", 1.0),
        ("fig2", "limit", 1.0),
    ]
    assert [entry["value"] for entry in kept["other"]] == [2.0, 2.0]
    assert [entry["stderr"] for entry in kept["one"]] == [0.5, None]
    assert [entry["passed"] for entry in kept["one"]] == [True, False]
    # Made again, a figure's checks replace its own.
    reproduce("one", claims(3.0), tmp_path, "fig2", 1.0)
    kept = json.loads((tmp_path / "one" / "one.json").read_text())
    assert [entry["value"] for entry in kept] == [1.0, 3.0]


def test_another_file_in_the_place_of_the_checks_is_left_alone(tmp_path):
    (tmp_path / "paper").mkdir()
    file = tmp_path / "paper" / "paper.json"
    file.write_text('[{"name": "mine"}]')
    with pytest.raises(ValueError, match="out: expected .*paper.json to hold checks of this command"):
        reproduce("paper", claims(1.0), tmp_path, None, 1.0)
    assert file.read_text() == '[{"name": "mine"}]'
