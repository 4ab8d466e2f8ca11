"""Results as tidy tables: one row for each time and observable. pandas is imported only when one is made."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.exact.result import ExactResult
from stochq.io.layout import STATISTICS, Curves
from stochq.real_parts import in_rows

if TYPE_CHECKING:
    import pandas as pd

# How a table in a file begins, by which it is known.
HEAD = "time,observable,mean,stderr"


def to_table(result: EnsembleResult, curves: Curves | None = None) -> "pd.DataFrame":
    """The means of a run, their errors and, where curves stand beside them, the exact means ("exact").

    Complex observables are two real ones, "Re a" and "Im a"; a bias that was not estimated is NaN.
    """
    columns: dict[str, Mapping[str, np.ndarray]] = {key: in_rows(getattr(result, key)) for key in STATISTICS}
    columns["bias"] = in_rows({name: value for name, value in result.bias.items() if value is not None})
    if curves is not None and curves.exact:
        columns["exact"] = in_rows(curves.exact)
    return _tidy(result.times, columns)


def exact_table(result: ExactResult) -> "pd.DataFrame":
    """The exact means and their standard errors, in columns named as those of a run."""
    return _tidy(result.times, {"mean": in_rows(result.expect), "stderr": _errors(result)})


def _errors(result: ExactResult) -> dict[str, np.ndarray]:
    """Standard errors by real row; zero but where traces are over random vectors."""
    norms = {row: np.linalg.norm(each, axis=1) for row, each in result.deviations.items()}
    none = np.zeros(len(result.times))
    return {row: norms.get(row, none) for row in in_rows(result.expect)}


def _tidy(times: np.ndarray, columns: Mapping[str, Mapping[str, np.ndarray]]) -> "pd.DataFrame":
    import pandas as pd

    rows, missing = list(columns["mean"]), np.full(len(times), np.nan)
    table: dict[str, Any] = {"time": np.tile(times, len(rows)), "observable": np.repeat(rows, len(times))}
    for key, values in columns.items():
        table[key] = np.concatenate([values.get(row, missing) for row in rows]) if rows else np.zeros(0)
    return pd.DataFrame(table)


def is_table(path: str | Path) -> bool:
    """Whether a file is a table that this library saved."""
    try:
        with open(path, "rb") as file:
            return file.read(len(HEAD)) == HEAD.encode()
    except OSError:
        return False
