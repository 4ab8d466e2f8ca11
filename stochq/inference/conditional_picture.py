"""The picture of what one record tells of a system: means of observables beside the truth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stochq.ensemble.conditional import GIVEN_RECORDS
from stochq.ensemble.result import EnsembleResult
from stochq.inference.coordinates import near
from stochq.real_parts import in_rows, row_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD = "± spread of single outcomes"
_ITSELF, _CONDITIONAL = "the trajectory itself", "conditional state of the simulation"


def draw_conditional(
    kind: str,
    times: np.ndarray,
    mean: Mapping[str, np.ndarray],
    variance: Mapping[str, np.ndarray],
    observables: Sequence[str],
    record: int,
    truth: EnsembleResult | None,
    spread: bool,
) -> "Figure":
    """A panel for each observable: its mean given the record, with `spread` in a band of ± the standard deviation of
    a measurement's outcomes, and the truth.

    kind: what the mean is called; mean, variance: {name: (record, T)}, the parts of a complex observable in two panels.
    """
    from stochq import plotting

    names = list(observables or mean)
    for name in names:
        if name not in mean:
            raise ValueError(f"observables: expected some of {', '.join(mean)}; got {name!r}.{near(name, mean)}")
    records = len(next(iter(mean.values())))
    if not 0 <= record < records:
        raise ValueError(f"record: expected one of the {records} records; got {record!r}.")
    means, spreads = (in_rows({name: one[name][record] for name in names}) for one in (mean, variance))
    true_times, values = _truth(truth, record)
    true_name = _CONDITIONAL if truth is not None and truth.info.get("kept") == GIVEN_RECORDS else _ITSELF
    rows = [row for name in names for row in row_names(name, np.iscomplexobj(mean[name]))]
    with plotting.style():
        made, axes = plotting.figure(len(rows))
        for row, (panel, *_) in zip(rows, axes, strict=True):
            if spread:
                error = np.sqrt(spreads[row])
                style: Any = {"color": plotting.VERMILION, "alpha": 0.2, "linewidth": 0}
                panel.fill_between(times, means[row] - error, means[row] + error, label=_SPREAD, **style)
            panel.plot(times, means[row], color=plotting.VERMILION, linestyle=(0, (5, 2)), label=kind)
            if row in values:
                panel.plot(true_times, values[row], color=plotting.BLUE, linestyle="-", label=true_name)
            panel.set_ylabel(plotting.symbol(row))
            panel.set_xlabel("time $t$")
            panel.margins(x=0.01)
        plotting.draw_legend(made, axes)
    return made


def _truth(truth: EnsembleResult | None, record: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Times and values {row: (T,)} of the trajectory that wrote a record; none without a result."""
    if truth is None:
        return np.zeros(0), {}
    kept = np.flatnonzero(np.asarray(truth.kept_rows) == record)
    if not len(kept):
        raise ValueError(
            f"truth: expected a result that kept the trajectory of record {record}; simulate with keep={record + 1}."
        )
    return truth.times, in_rows({name: values[kept[0]] for name, values in truth.kept_values.items()})
