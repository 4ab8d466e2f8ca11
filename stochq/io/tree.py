"""Results as trees of datasets that explain themselves: groups of variables by name, with coordinates and units.

Names of variables are those of the observables, with "_" for what a netCDF name may not hold. Attributes follow the CF
conventions (https://cfconventions.org): every number has `units`, "1" where none are known, and a `long_name`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.ensemble.result import EnsembleResult
from stochq.io.layout import Curves
from stochq.real_parts import in_rows, observable_of

if TYPE_CHECKING:
    import xarray as xr

CONVENTIONS = "CF-1.11"
# The unit of what holds several observables of different units.
MIXED = "that of the observable"
# Groups of numbers over time, by the attribute of a result, and what they are of an observable.
_GROUPS = {
    "mean": ("means", "mean of {}"),
    "stderr": ("errors", "standard error of the mean of {}"),
    "variance": ("variances", "variance of {}"),
    "bias": ("biases", "estimated time-step bias of the mean of {}"),
}


def to_tree(result: EnsembleResult, curves: Curves | None = None) -> "xr.DataTree":
    """The result as a tree: "means", "errors", "variances" and "biases" over time, "exact" where curves are known,
    "states", "histograms" and "covariance" where they are there. Complex numbers are complex."""
    import xarray as xr

    groups = _over_time(result, curves, complex_values=True)
    groups |= {"states": _states(result), "histograms": _histograms(result), "covariance": _covariance(result)}
    tree = {f"/{name}": dataset for name, dataset in groups.items() if dataset.variables}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes(result))} | tree)


def groups_of_file(result: EnsembleResult, curves: Curves | None) -> dict[str, "xr.Dataset"]:
    """The groups that a file has beside the numbers that bring the result back: means and errors by name, real."""
    groups = _over_time(result, curves, complex_values=False)
    return {name: groups[name] for name in ("means", "errors", "exact") if name in groups}


def attributes(result: EnsembleResult) -> dict[str, str]:
    """What a file says of itself, by the CF conventions."""
    from stochq import __version__

    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = f"{result.trajectories} trajectories of seed {result.seed} by {result.scheme}, dt = {result.dt:g}"
    return {
        "Conventions": CONVENTIONS,
        "title": "Ensemble of a stochastic Schrödinger equation",
        "history": f"{now} written by stochq {__version__}: {made}",
        "source": f"stochq {__version__}",
        "stochq_version": __version__,
        "created_at": now,
    }


def described(dataset: "xr.Dataset", units: Mapping[str, str]) -> "xr.Dataset":
    """The dataset with `units` and a `long_name` of every number that has none. units: of variables, by name."""
    for name, variable in dataset.variables.items():
        if np.asarray(variable.values).dtype.kind in "biufc":
            variable.attrs.setdefault("units", units.get(str(name), "1"))
            variable.attrs.setdefault("long_name", str(name).replace("_", " "))
    return dataset


def _over_time(result: EnsembleResult, curves: Curves | None, *, complex_values: bool) -> dict[str, "xr.Dataset"]:
    found: dict[str, tuple[str, Mapping[str, Any]]] = {
        group: (text, {name: values for name, values in getattr(result, key).items() if values is not None})
        for key, (group, text) in _GROUPS.items()
    }
    if curves is not None and curves.exact:
        found["exact"] = ("exact mean of {}", curves.exact)
    groups = {}
    for group, (text, values) in found.items():
        columns = values if complex_values else in_rows(values)
        squared = "2" if group == "variances" else ""
        variables = {
            _word(name): (("time",), np.asarray(array), _about(text.format(name), _unit(result, name, squared)))
            for name, array in columns.items()
        }
        if variables:
            groups[group] = _dataset(variables, {"time": _times(result)})
    return groups


def _states(result: EnsembleResult) -> "xr.Dataset":
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    if result.kept is not None:
        kept = np.asarray(result.kept)
        dims = ("trajectory", "time", "level", "other_level")[: kept.ndim]
        variables["kept"] = (dims, kept, _about("states of kept trajectories", "1"))
        coordinates["trajectory"] = (("trajectory",), np.asarray(result.kept_rows), _about("number of trajectory", "1"))
    if result.density is not None:
        matrix = np.asarray(result.density)
        variables["density"] = (("time", "level", "other_level"), matrix, _about("mean density matrix", "1"))
    for name, (_, array, _) in list(variables.items()):
        levels = (("level",), np.arange(array.shape[-1]), _about("basis state", "1"))
        coordinates |= {"time": _times(result), "level": levels}
        if "other_level" in variables[name][0]:
            coordinates["other_level"] = (("other_level",), *levels[1:])
    return _dataset(variables, coordinates)


def _covariance(result: EnsembleResult) -> "xr.Dataset":
    if result.covariance is None:
        return _dataset({}, {})
    unit = MIXED if any(key.startswith("unit:") for key in result.info) else "1"
    about = _about("covariance of values of single trajectories", unit)
    names = np.array([name for name, _ in result.covariance_points], dtype=object)
    times = np.asarray(result.times)[[index for _, index in result.covariance_points]]
    coordinates = {
        "point_observable": (("point",), names),
        "point_time": (("point",), times, _about("time of the point", result.info.get("unit:time", "1"))),
    }
    return _dataset({"covariance": (("point", "other_point"), result.covariance, about)}, coordinates)


def _histograms(result: EnsembleResult) -> "xr.Dataset":
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for name, (edges, counts) in result.histograms.items():
        centre, word = f"centre_{_word(name)}", f"histogram_{_word(name)}"
        variables[word] = (("time", centre), np.asarray(counts), _about(f"trajectories by {name}", "1"))
        middles = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2
        coordinates[centre] = ((centre,), middles, _about(f"middle of a bin of {name}", _unit(result, name)))
        coordinates["time"] = _times(result)
    return _dataset(variables, coordinates)


def _dataset(variables: Mapping[str, Any], coordinates: Mapping[str, Any]) -> "xr.Dataset":
    import xarray as xr

    return xr.Dataset(variables, coordinates)


def _times(result: EnsembleResult) -> tuple[tuple[str], np.ndarray, dict[str, str]]:
    return ("time",), np.asarray(result.times), _about("time", result.info.get("unit:time", "1"))


def _about(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}


def _unit(result: EnsembleResult, row: str, squared: str = "") -> str:
    """The unit of a real or complex row; squared: "2" for that of its square."""
    name = row if f"unit:{row}" in result.info else observable_of(row)
    unit = result.info.get(f"unit:{name}", "1")
    return f"({unit})^2" if squared and unit != "1" else unit


def _word(name: str) -> str:
    """An observable's name as that of a variable."""
    word = name.replace("/", "_")
    return f"{word}_" if word == "time" else word
