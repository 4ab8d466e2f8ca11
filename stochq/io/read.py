"""Results from datasets of xarray."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.io.layout import FORMAT, RECORD_FORMAT, SHAPES, STATISTICS, VERSION, Curves
from stochq.io.parts import parts_of
from stochq.measurement import Clicks, Record
from stochq.real_parts import by_observable, row_names

if TYPE_CHECKING:
    import xarray as xr


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
    keys = [*STATISTICS, *(key for key in SHAPES if key in dataset)]
    statistics: dict[str, Any] = {
        key: by_observable(dict(zip(names, dataset[key].values, strict=True)), observables) for key in keys
    }
    if isinstance(header["fingerprint"], str):
        # Files of 0.1 know one hash of everything.
        header["fingerprint"] = {"problem": header["fingerprint"]}
    header["ranges"] = [tuple(part) for part in header["ranges"]]
    header["failed_trajectories"] = [tuple(one) for one in header.get("failed_trajectories", [])]
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
        parts=parts_of(dataset),
        exact=_read_values(dataset, "exact", names, observables),
        kept_rows=dataset["kept_rows"].values if "kept_rows" in dataset else np.zeros(0, int),
        **header,
    )


def record_from_dataset(dataset: "xr.Dataset") -> Record | None:
    """The record in a dataset of a result or of a record alone; None where a result has none."""
    if dataset.attrs.get("format") not in (FORMAT, RECORD_FORMAT):
        raise ValueError(
            f"dataset: expected the attribute format = {FORMAT!r} or {RECORD_FORMAT!r}; got "
            f"{dataset.attrs.get('format')!r}."
        )
    return _read_records(dataset)


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
    clicks_of: dict[str, Clicks] = {}
    while f"clicks_{len(clicks_of)}_time" in dataset:
        trajectory = dataset[f"clicks_{len(clicks_of)}_trajectory"]
        time = dataset[f"clicks_{len(clicks_of)}_time"].values
        clicks = Clicks(trajectory.values, time, int(trajectory.attrs["trajectories"]))
        clicks_of[str(trajectory.attrs["name"])] = clicks
    return clicks_of


def curves_from_dataset(dataset: "xr.Dataset") -> Curves:
    """The exact curves in a dataset of a result, by observable."""
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
