"""What is written of a claim: columns of a table as they are named, words and truth values untouched."""

import numpy as np
import pytest

from stochq.papers.output import Claim, Series, Table, reproduce


def test_a_table_is_written_column_by_column(tmp_path):
    table = Table(
        {"variant": ["minimal", "squeezed"], "sigma_qq": np.array([0.63625, 1 / 3]), "balance": [False, True]}
    )
    reproduce("paper", {"table": lambda effort: Claim(table, [], None)}, tmp_path, None, 1.0)
    assert (tmp_path / "table.csv").read_text().split() == [
        "variant,sigma_qq,balance",
        "minimal,0.63625,False",
        "squeezed,0.333333333333,True",
    ]
    assert not (tmp_path / "table.png").exists()


def test_columns_of_unequal_length_are_an_error(tmp_path):
    claim = Claim(Table({"a": [1.0], "b": [1.0, 2.0]}), [], None)
    with pytest.raises(ValueError, match="zip"):
        reproduce("paper", {"table": lambda effort: claim}, tmp_path, None, 1.0)


def test_series_carry_their_errors(tmp_path):
    claim = Claim([Series("mean", [0.0, 1.0], [0.5, 0.25], [0.1, 0.2]), Series("exact", 0.0, 0.5)], [], None)
    reproduce("paper", {"curve": lambda effort: claim}, tmp_path, "curve", 1.0)
    lines = (tmp_path / "curve.csv").read_text().split()
    assert lines == ["series,x,y,stderr", "mean,0,0.5,0.1", "mean,1,0.25,0.2", "exact,0,0.5,"]
