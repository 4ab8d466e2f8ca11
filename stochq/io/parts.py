"""The parts of a result in a dataset: of what ranges of trajectories it consists, and their moments."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.ensemble.means import DENSITY
from stochq.ensemble.moments import Moments
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD
from stochq.ensemble.tree import Part, Parts

if TYPE_CHECKING:
    import xarray as xr

# The attribute that tells the ranges.
RANGES = "parts"
# The numbers of a summary, by the names of its variables, and the dimensions of each.
_MOMENTS = {name: ("time", "observable") for name in ("mean", "squares", "cubes", "fourths")}
_LAYOUT: dict[str, dict[str, tuple[str, ...]]] = {
    MEAN: {"count": (), **_MOMENTS},
    COVARIANCE: {"count": (), "mean": ("point",), "squares": ("point", "other_point")},
    PAIR_SPREAD: {"count": (), "squares": ("time", "observable")},
    DENSITY: {"count": (), "real": ("time", "row", "column"), "imaginary": ("time", "row", "column")},
}


def part_variables(parts: Parts) -> dict[str, Any]:
    """Variables with a leading dimension "part"."""
    variables: dict[str, Any] = {}
    for name, layout in _LAYOUT.items():
        if parts and all(name in part.summaries for part in parts):
            values = [_numbers(name, part.summaries[name]) for part in parts]
            for key, dims in layout.items():
                variables[_variable(name, key)] = (("part", *dims), np.stack([each[key] for each in values]))
    return variables


def part_ranges(parts: Parts) -> str:
    """The attribute beside them."""
    return json.dumps([[int(number) for number in part[:5]] for part in parts])


def parts_of(dataset: "xr.Dataset") -> Parts:
    """The parts in a dataset, none where it has none."""
    parts = [Part(*numbers, summaries={}) for numbers in json.loads(dataset.attrs.get(RANGES, "[]"))]
    for name, layout in _LAYOUT.items():
        variables = {key: dataset[_variable(name, key)].values for key in layout if _variable(name, key) in dataset}
        for place, part in enumerate(parts if len(variables) == len(layout) else []):
            part.summaries[name] = _summary(name, {key: values[place] for key, values in variables.items()})
    return tuple(parts)


def _variable(name: str, key: str) -> str:
    return f"part_{name.replace(' ', '_')}_{key}"


def _numbers(name: str, summary: Any) -> dict[str, Any]:
    if name == DENSITY:
        return {"count": summary[0], "real": summary[1].real, "imaginary": summary[1].imag}
    return summary._asdict() if isinstance(summary, Moments) else dict(zip(_LAYOUT[name], summary, strict=True))


def _summary(name: str, numbers: dict[str, np.ndarray]) -> Any:
    if name == DENSITY:
        return numbers["count"], numbers["real"] + 1j * numbers["imaginary"]
    return Moments(**numbers) if name in (MEAN, COVARIANCE) else tuple(numbers.values())
