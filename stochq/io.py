"""Results on disk: netCDF files through xarray, which is imported only when one is written or read."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.arrays import ArrayLike
from stochq.ensemble.result import EnsembleResult
from stochq.files import check_replaceable, replace_file
from stochq.measurement import Clicks, Record
from stochq.real_parts import by_observable, in_rows, row_names

if TYPE_CHECKING:
    import xarray as xr

FORMAT, RECORD_FORMAT = "stochq ensemble", "stochq record"
VERSION = 1
STATISTICS = ("mean", "stderr", "variance")
SHAPES = ("skewness", "kurtosis")


@dataclass(frozen=True)
class Curves:
    """What a picture shows beside the ensemble: the exact curves, (time,), by observable."""

    exact: Mapping[str, np.ndarray] = field(default_factory=dict)


def to_dataset(result: EnsembleResult, curves: Curves | None = None) -> "xr.Dataset":
    """The result as a dataset: one variable per statistic over (observable, time), complex arrays as _re and _im."""
    import xarray as xr

    names = list(in_rows(result.mean))
    variables = _statistics(result, names) | _states(result) | _covariance(result) | _histograms(result)
    variables |= _user_statistics(result) | _records(result) | _clicks(result) | _kept_values(result, names)
    variables |= _curves(curves, names)
    coordinates = {"observable": np.asarray(names, dtype=object), "time": np.asarray(result.times)}
    return xr.Dataset(variables, coordinates, _attributes(result))


def from_dataset(dataset: "xr.Dataset") -> EnsembleResult:
    """The result a dataset was made from. Raises: ValueError if it is not one of this library's."""
    if dataset.attrs.get("format") != FORMAT:
        raise ValueError(f"dataset: expected the attribute format = {FORMAT!r}; got {dataset.attrs.get('format')!r}.")
    version = int(dataset.attrs["format_version"])
    if version > VERSION:
        raise ValueError(f"dataset: expected format version {VERSION} or lower; got {version}. Upgrade stochq.")
    names = [str(name) for name in dataset["observable"].values]
    header = json.loads(dataset.attrs["header"])
    observables = header.pop("observables", names)
    statistics: dict[str, Any] = {
        key: by_observable(dict(zip(names, dataset[key].values, strict=True)), observables) for key in STATISTICS
    }
    statistics |= {
        key: by_observable(dict(zip(names, dataset[key].values, strict=True)), observables)
        for key in SHAPES
        if key in dataset
    }
    if isinstance(header["fingerprint"], str):
        # Files of 0.1 know one hash of everything.
        header["fingerprint"] = {"problem": header["fingerprint"]}
    header["ranges"] = [tuple(part) for part in header["ranges"]]
    return EnsembleResult(
        times=dataset["time"].values,
        **statistics,
        bias=_read_bias(dataset, names, observables),
        covariance=dataset["covariance"].values if "covariance" in dataset else None,
        covariance_points=_read_points(dataset),
        kept=_read_complex(dataset, "kept"),
        density=_read_complex(dataset, "density"),
        histograms=_read_histograms(dataset),
        statistics=_read_user_statistics(dataset),
        records=_read_records(dataset),
        clicks=_read_clicks(dataset),
        kept_values=_read_values(dataset, "values", names, observables),
        kept_rows=dataset["kept_rows"].values if "kept_rows" in dataset else np.zeros(0, int),
        **header,
    )


def save(result: EnsembleResult, path: str | os.PathLike[str], curves: Curves | None = None) -> Path:
    """Write the result as netCDF. The file appears whole or not at all, and replaces an earlier result only.

    Args:
        result: what is saved; one of an interrupted run does not replace one of a run that came to its end.
        path: the file; folders are made, symbolic links are followed.
        curves: what a picture shows beside the ensemble.

    Returns: the path.

    Raises: FileExistsError if something else stands there, OSError if it cannot be written; either leaves what was
        there before.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_target(path)
    if result.info.get("interrupted") and target.exists() and not _is_interrupted(target):
        raise FileExistsError(
            f"{path}: the result of an interrupted run does not replace that of a run that came to its end. "
            "Give another name, or remove the file first."
        )
    # Made in memory: where a disk is full, HDF5 ends the process.
    content = to_dataset(result, curves).to_netcdf(engine="h5netcdf")
    replace_file(target, lambda aside: aside.write_bytes(content))
    return Path(path)


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file to which a result saved as `path` is written. Raises: OSError if none can be."""
    return check_replaceable(path, "result", is_result)


def is_result(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a result that this library saved."""
    return _header(path) is not None


def _is_interrupted(path: str | os.PathLike[str]) -> bool:
    return bool((_header(path) or {}).get("info", {}).get("interrupted"))


def _header(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a saved result says of itself, None for other files. Reads nothing else of it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(str(file.attrs["header"])) if file.attrs.get("format") == FORMAT else None
    except (OSError, KeyError, ValueError):
        return None


def load(path: str | os.PathLike[str]) -> EnsembleResult:
    """Read a result written by `save`.

    Raises: FileNotFoundError if there is no such file, ValueError if it is not a result of this library.
    """
    return _read(path, from_dataset)


def load_curves(path: str | os.PathLike[str]) -> Curves:
    """Read the curves saved beside a result; empty where there are none. Raises: as `load`."""
    return _read(path, _read_curves)


def _read(path: str | os.PathLike[str], convert: Callable[["xr.Dataset"], Any]) -> Any:
    import xarray as xr

    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"path: expected a file written by stochq; there is none at {source}.")
    try:
        dataset = xr.load_dataset(source, engine="h5netcdf", decode_times=False)
        return convert(dataset)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"path: expected a netCDF file written by stochq; {source} is not one: {error}") from error


def _statistics(result: EnsembleResult, names: list[str]) -> dict[str, Any]:
    shape = (len(names), len(result.times))
    variables: dict[str, Any] = {}
    for key in STATISTICS:
        values = in_rows(getattr(result, key))
        variables[key] = (("observable", "time"), np.asarray([values[name] for name in names]).reshape(shape))
    for key in SHAPES:
        if getattr(result, key):
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


def _states(result: EnsembleResult) -> dict[str, Any]:
    kept = _complex("kept", result.kept, ("trajectory", "time", "dim", "other_dim")[: np.ndim(result.kept)])
    if len(result.kept_rows):
        kept["kept_rows"] = (("kept_row",), result.kept_rows)
    return kept | _complex("density", result.density, ("time", "row", "column"))


def _covariance(result: EnsembleResult) -> dict[str, Any]:
    matrix = {} if result.covariance is None else {"covariance": (("point", "other_point"), result.covariance)}
    if not result.covariance_points:
        return matrix
    return matrix | {
        "point_observable": (("point",), np.asarray([name for name, _ in result.covariance_points], dtype=object)),
        "point_time": (("point",), np.asarray([index for _, index in result.covariance_points], dtype=np.int64)),
    }


def _histograms(result: EnsembleResult) -> dict[str, Any]:
    # Numbered, not named: an observable's name may hold what a netCDF name may not.
    variables: dict[str, Any] = {}
    for i, (name, (edges, counts)) in enumerate((result.histograms or {}).items()):
        variables[f"histogram_{i}_edges"] = ((f"edge_{i}",), np.asarray(edges), {"observable": name})
        variables[f"histogram_{i}_counts"] = (("time", f"bin_{i}"), np.asarray(counts))
    return variables


def _user_statistics(result: EnsembleResult) -> dict[str, Any]:
    variables: dict[str, Any] = {}
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

    return xr.Dataset(_record_variables(record), attrs={"format": RECORD_FORMAT, "format_version": VERSION})


def load_record(path: str | os.PathLike[str]) -> Record | None:
    """The record in a file that `save` or `Record.to_xarray().to_netcdf` wrote; None in a result without one.

    Raises: as `load`.
    """
    return _read(path, _checked_record)


def _checked_record(dataset: "xr.Dataset") -> Record | None:
    if dataset.attrs.get("format") not in (FORMAT, RECORD_FORMAT):
        raise ValueError(
            f"dataset: expected the attribute format = {FORMAT!r} or {RECORD_FORMAT!r}; got "
            f"{dataset.attrs.get('format')!r}."
        )
    return _read_records(dataset)


def _records(result: EnsembleResult) -> dict[str, Any]:
    return {} if result.records is None else _record_variables(result.records)


def _record_variables(record: Record) -> dict[str, Any]:
    about = {"names": json.dumps(record.names), "kinds": json.dumps(record.kinds), "fed_back": int(record.fed_back)}
    dims = ("record", "record_interval", "record_column")
    return {"record_increments": (dims, record.increments, about), "record_times": (("record_time",), record.times)}


def _clicks(result: EnsembleResult) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for i, (name, clicks) in enumerate(result.clicks.items()):
        about = {"name": name, "trajectories": clicks.trajectories}
        variables[f"clicks_{i}_trajectory"] = ((f"click_{i}",), clicks.trajectory, about)
        variables[f"clicks_{i}_time"] = ((f"click_{i}",), clicks.time)
    return variables


def _curves(curves: Curves | None, names: list[str]) -> dict[str, Any]:
    if curves is None:
        return {}
    exact = in_rows(curves.exact)
    return {f"exact_{i}": (("time",), exact[name]) for i, name in enumerate(names) if name in exact}


def _kept_values(result: EnsembleResult, names: list[str]) -> dict[str, Any]:
    values = in_rows(result.kept_values)
    return {f"values_{i}": (("shown", "time"), values[name]) for i, name in enumerate(names) if name in values}


def _attributes(result: EnsembleResult) -> dict[str, Any]:
    header = {
        "trajectories": int(result.trajectories),
        "failed": int(result.failed),
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
    return {"format": FORMAT, "format_version": VERSION, "header": json.dumps(header, default=_plain)}


def _plain(value: object) -> object:
    """What JSON does not know: numbers of numpy, and anything else as its text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _complex(name: str, array: ArrayLike | None, dims: tuple[str, ...]) -> dict[str, Any]:
    if array is None:
        return {}
    values: Any = np.asarray(array)
    return {f"{name}_re": (dims, values.real), f"{name}_im": (dims, values.imag)}


def _read_complex(dataset: "xr.Dataset", name: str) -> np.ndarray | None:
    if f"{name}_re" not in dataset:
        return None
    real = dataset[f"{name}_re"].values
    values = np.empty(real.shape, dtype=np.result_type(real.dtype, np.complex64))
    values.real, values.imag = real, dataset[f"{name}_im"].values
    return values


def _read_bias(dataset: "xr.Dataset", names: list[str], observables: list[str]) -> dict[str, np.ndarray | None]:
    if "bias" not in dataset:
        return {}
    values, estimated = dataset["bias"].values, dataset["has_bias"].values
    rows = {name: values[i] if estimated[i] else None for i, name in enumerate(names)}
    return by_observable(rows, observables)


def _read_points(dataset: "xr.Dataset") -> list[tuple[str, int]]:
    if "point_observable" not in dataset:
        return []
    names, indices = dataset["point_observable"].values, dataset["point_time"].values
    return [(str(name), int(index)) for name, index in zip(names, indices, strict=True)]


def _read_histograms(dataset: "xr.Dataset") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    histograms: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    i = 0
    while f"histogram_{i}_edges" in dataset:
        edges = dataset[f"histogram_{i}_edges"]
        histograms[str(edges.attrs["observable"])] = (edges.values, dataset[f"histogram_{i}_counts"].values)
        i += 1
    return histograms


def _read_user_statistics(dataset: "xr.Dataset") -> dict[str, np.ndarray]:
    statistics: dict[str, np.ndarray] = {}
    while f"statistic_{len(statistics)}_real" in dataset:
        prefix = f"statistic_{len(statistics)}"
        real = dataset[f"{prefix}_real"]
        imaginary = dataset.get(f"{prefix}_imag")
        value = real.values if imaginary is None else real.values + 1j * imaginary.values
        statistics[str(real.attrs["observable"])] = value
    return statistics


def _read_records(dataset: "xr.Dataset") -> Record | None:
    if "record_increments" not in dataset:
        return None
    increments = dataset["record_increments"]
    names, kinds = (tuple(json.loads(increments.attrs[key])) for key in ("names", "kinds"))
    fed_back = bool(increments.attrs.get("fed_back", False))
    return Record.of_run(dataset["record_times"].values, increments.values, names, kinds, fed_back)


def _read_clicks(dataset: "xr.Dataset") -> dict[str, Clicks]:
    found: dict[str, Clicks] = {}
    while f"clicks_{len(found)}_time" in dataset:
        trajectory = dataset[f"clicks_{len(found)}_trajectory"]
        time = dataset[f"clicks_{len(found)}_time"].values
        clicks = Clicks(trajectory.values, time, int(trajectory.attrs["trajectories"]))
        found[str(trajectory.attrs["name"])] = clicks
    return found


def _read_curves(dataset: "xr.Dataset") -> Curves:
    names = [str(name) for name in dataset["observable"].values]
    observables = json.loads(dataset.attrs["header"]).get("observables", names)
    return Curves(_read_values(dataset, "exact", names, observables))


def _read_values(
    dataset: "xr.Dataset", prefix: str, rows_of: list[str], observables: list[str]
) -> dict[str, np.ndarray]:
    """The numbered variables of rows, by observable, without observables that have none."""
    rows = {row: dataset[f"{prefix}_{i}"].values for i, row in enumerate(rows_of) if f"{prefix}_{i}" in dataset}
    names = [name for name in observables if name in rows or row_names(name, True)[0] in rows]
    return by_observable(rows, names)
