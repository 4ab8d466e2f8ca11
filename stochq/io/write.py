"""Results as datasets of xarray, which is imported only when one is made."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.ensemble.result import EnsembleResult
from stochq.io.layout import FORMAT, RECORD_FORMAT, SHAPES, STATISTICS, VERSION, Curves
from stochq.io.parts import RANGES, part_ranges, part_variables
from stochq.io.tree import CONVENTIONS, MIXED, attributes, described
from stochq.measurement import Record
from stochq.real_parts import in_rows

if TYPE_CHECKING:
    import xarray as xr

# Numbered variables that hold one observable each.
_ROWS = ("exact_", "values_")
# Variables of a dataset by name: (dimensions, values), or with attributes.
Variables = dict[str, Any]


def to_dataset(result: EnsembleResult, curves: Curves | None = None) -> "xr.Dataset":
    """The result as a dataset: one variable per statistic over (observable, time), complex arrays as _re and _im."""
    import xarray as xr

    names = list(in_rows(result.mean))
    variables = _statistics(result, names) | _states(result) | _covariance(result) | _histograms(result)
    variables |= _user_statistics(result) | _records(result) | _clicks(result) | _kept_values(result, names)
    variables |= _curves(curves, names) | part_variables(result.parts)
    coordinates = {"observable": np.asarray(names, dtype=object), "time": np.asarray(result.times)}
    dataset = xr.Dataset(variables, coordinates, _attributes(result) | attributes(result))
    units = {"time": str(result.info.get("unit:time", "1"))}
    if any(key.startswith("unit:") for key in result.info):
        # What holds several observables has no unit of its own; the groups by name have them.
        several = [str(name) for name, one in dataset.variables.items() if {"observable", "point"} & {*one.dims}]
        units |= dict.fromkeys([*several, *(name for name in variables if name.startswith(_ROWS))], MIXED)
    return described(dataset, units)


def _statistics(result: EnsembleResult, names: list[str]) -> Variables:
    shape = (len(names), len(result.times))
    variables: Variables = {}
    for key in (*STATISTICS, *(key for key in SHAPES if getattr(result, key))):
        values = in_rows(getattr(result, key))
        variables[key] = (("observable", "time"), np.asarray([values[name] for name in names]).reshape(shape))
    if result.bias:
        missing = np.full(len(result.times), np.nan)
        known = in_rows({name: bias for name, bias in result.bias.items() if bias is not None})
        bias = [known.get(name, missing) for name in names]
        estimated = [name in known for name in names]
        variables["bias"] = (("observable", "time"), np.asarray(bias, dtype=np.float64).reshape(shape))
        variables["has_bias"] = (("observable",), np.asarray(estimated, dtype=np.int8))
    return variables


def _states(result: EnsembleResult) -> Variables:
    kept = _complex("kept", result.kept, ("trajectory", "time", "dim", "other_dim")[: np.ndim(result.kept)])
    if len(result.kept_rows):
        kept["kept_rows"] = (("kept_row",), result.kept_rows)
    return kept | _complex("density", result.density, ("time", "row", "column"))


def _covariance(result: EnsembleResult) -> Variables:
    matrix = {} if result.covariance is None else {"covariance": (("point", "other_point"), result.covariance)}
    if not result.covariance_points:
        return matrix
    return matrix | {
        "point_observable": (("point",), np.asarray([name for name, _ in result.covariance_points], dtype=object)),
        "point_time": (("point",), np.asarray([index for _, index in result.covariance_points], dtype=np.int64)),
    }


def _histograms(result: EnsembleResult) -> Variables:
    # Numbered, not named: an observable's name may hold what a netCDF name may not.
    variables: Variables = {}
    for i, (name, (edges, counts)) in enumerate((result.histograms or {}).items()):
        variables[f"histogram_{i}_edges"] = ((f"edge_{i}",), np.asarray(edges), {"observable": name})
        variables[f"histogram_{i}_counts"] = (("time", f"bin_{i}"), np.asarray(counts))
    return variables


def _user_statistics(result: EnsembleResult) -> Variables:
    variables: Variables = {}
    for i, (name, value) in enumerate(result.statistics.items()):
        array = None if isinstance(value, (dict, tuple)) else np.asarray(value)
        if array is None or not np.issubdtype(array.dtype, np.number):
            raise ValueError(
                f"statistics[{name!r}]: expected an array of numbers in a file; got {type(value).__name__}. Let its "
                "`finish` return an array, or drop it: dataclasses.replace(result, statistics={})."
            )
        dims = tuple(f"statistic_{i}_axis_{axis}" for axis in range(array.ndim))
        for part in ("real", "imag") if np.iscomplexobj(array) else ("real",):
            variables[f"statistic_{i}_{part}"] = (dims, getattr(array, part), {"observable": name})
    return variables


def record_to_dataset(record: Record) -> "xr.Dataset":
    """A record as a dataset, with the variables that a result's has."""
    import xarray as xr

    attrs = {"format": RECORD_FORMAT, "format_version": VERSION, "Conventions": CONVENTIONS}
    return described(xr.Dataset(_record_variables(record), attrs=attrs), {})


def _records(result: EnsembleResult) -> Variables:
    return {} if result.records is None else _record_variables(result.records)


def _record_variables(record: Record) -> Variables:
    about = {"names": json.dumps(record.names), "kinds": json.dumps(record.kinds), "fed_back": int(record.fed_back)}
    dims = ("record", "record_interval", "record_column")
    return {"record_increments": (dims, record.increments, about), "record_times": (("record_time",), record.times)}


def _clicks(result: EnsembleResult) -> Variables:
    variables: Variables = {}
    for i, (name, clicks) in enumerate(result.clicks.items()):
        about = {"name": name, "trajectories": clicks.trajectories}
        variables[f"clicks_{i}_trajectory"] = ((f"click_{i}",), clicks.trajectory, about)
        variables[f"clicks_{i}_time"] = ((f"click_{i}",), clicks.time)
    return variables


def _curves(curves: Curves | None, names: list[str]) -> Variables:
    if curves is None:
        return {}
    exact = in_rows(curves.exact)
    return {f"exact_{i}": (("time",), exact[name]) for i, name in enumerate(names) if name in exact}


def _kept_values(result: EnsembleResult, names: list[str]) -> Variables:
    values = in_rows(result.kept_values)
    return {f"values_{i}": (("shown", "time"), values[name]) for i, name in enumerate(names) if name in values}


def _attributes(result: EnsembleResult) -> Variables:
    header = {
        "trajectories": int(result.trajectories),
        "failed": int(result.failed),
        "failed_trajectories": [[int(number) for number in one] for one in result.failed_trajectories],
        "seed": int(result.seed),
        "scheme": result.scheme,
        "dt": float(result.dt),
        "precision": result.precision,
        "fingerprint": dict(result.fingerprint),
        "ranges": [[int(number) for number in part] for part in result.ranges],
        "info": dict(result.info),
        "antithetic": bool(result.antithetic),
        "observables": list(result.mean),
    }
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "header": json.dumps(header, default=_plain),
        RANGES: part_ranges(result.parts),
    }


def _plain(value: object) -> object:
    """What JSON does not know: numbers of numpy, and anything else as its text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _complex(name: str, array: ArrayLike | None, dims: tuple[str, ...]) -> Variables:
    if array is None:
        return {}
    values: Any = np.asarray(array)
    return {f"{name}_re": (dims, values.real), f"{name}_im": (dims, values.imag)}
