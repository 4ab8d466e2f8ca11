"""What `stochq fit` fits: a table of measured means, a result, or records."""

import csv
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

import stochq as sq
from stochq.cli.config import Config, Times
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.models import Monitored
from stochq.io import is_result, load_record
from stochq.real_parts import observable_of

COLUMNS = ("time", "observable", "value", "stderr")


def read_record(path: Path, config: Config) -> sq.inference.Record | None:
    """The record to be fitted, where there is one and the model has detectors.

    Raises:
        ConfigError: for a file of records alone, and a model that has none.
    """
    if path.suffix != ".nc":
        return None
    found = load_record(path)
    if isinstance(config.model, Monitored):
        return found
    if found is not None and not is_result(path):
        expected = 'a model of kind "monitored", whose detectors write records, as the data are'
        raise ConfigError(report(str(path), "", expected, f'a file of records for model.kind = "{config.model.kind}"'))
    return None


def read_means(
    path: Path, config: Config, known: Collection[str]
) -> tuple[np.ndarray, list[str], dict[str, np.ndarray] | None, Any]:
    """Times with the start, names, where each name's points are among the times, and data for `sq.fit`.

    known: the observables of the model. Raises: ConfigError for data that cannot be read, and of other observables.
    """
    if path.suffix == ".nc":
        result = sq.load(path)
        units = [name for name in result.info if name.startswith("unit:")]
        if units:
            expected = "a result without units, of a configuration without a [units] table, as the fitted one is"
            raise ConfigError(report(str(path), "", expected, f"one with {', '.join(units)}"))
        for name in result.mean:
            _check_observable(name, known, str(path))
        return result.times, list(result.mean), None, result
    times = config.run.times
    start = times.start if isinstance(times, Times) else times[0]
    rows = _rows(path, start, known)
    grid = np.unique([start, *(time for time, *_ in rows)])
    names = list(dict.fromkeys(name for _, name, *_ in rows))
    places, data = {}, {}
    for name in names:
        # In the order of time, in which they are drawn.
        own = sorted((time, value, error) for time, other, value, error in rows if other == name)
        moments, values, errors = map(np.array, zip(*own, strict=True))
        places[name], data[name] = np.searchsorted(grid, moments), (values, errors)
    return grid, names, places, data


def _rows(path: Path, start: float, known: Collection[str]) -> list[tuple[float, str, float, float]]:
    """The lines of a table. Raises: ConfigError, naming the line and the column."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or [])]
            if missing == ["value"] and "mean" in (lines.fieldnames or []):
                expected = "the .nc of this result beside it, which is fitted whole, or a column value"
                raise ConfigError(report(str(path), "line 1", expected, "a table of a result, with a column mean"))
            if missing:
                found = ", ".join(lines.fieldnames or []) or "nothing"
                raise ConfigError(report(str(path), "line 1", f"the columns {', '.join(COLUMNS)}", found))
            rows = [_row(path, lines.line_num, line, start, known) for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(report(str(path), "", "a table that can be read", why)) from None
    if not rows:
        raise ConfigError(report(str(path), "", "a line for every measured mean", "none"))
    return rows


def _row(
    path: Path, number: int, line: dict[str, str], start: float, known: Collection[str]
) -> tuple[float, str, float, float]:
    _check_observable(line["observable"], known, f"{path}: line {number}")
    numbers = {}
    for column in ("time", "value", "stderr"):
        try:
            numbers[column] = float(line[column])
        except (TypeError, ValueError):
            numbers[column] = np.nan
        if not np.isfinite(numbers[column]):
            raise ConfigError(report(f"{path}: line {number}", column, "a finite number", repr(line[column])))
    if numbers["stderr"] <= 0:
        raise ConfigError(report(f"{path}: line {number}", "stderr", "a positive number", line["stderr"]))
    if numbers["time"] < start:
        raise ConfigError(
            report(f"{path}: line {number}", "time", f"at least run.times.start, {start:g}", line["time"])
        )
    return numbers["time"], line["observable"], numbers["value"], numbers["stderr"]


def _check_observable(name: str | None, known: Collection[str], where: str) -> None:
    """ConfigError, naming the data, for an observable that the model has not."""
    if name not in known and observable_of(name or "") not in known:
        expected = f"one of {', '.join(known)}{nearest(name or '', known)}"
        raise ConfigError(report(where, "observable", expected, repr(name)))
