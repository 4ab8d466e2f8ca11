"""The reference: master equations solved without sampling, closed forms, steady states."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stochq.exact import closed_forms as closed_forms
from stochq.exact.binned import correlations as correlations
from stochq.exact.closed_forms import coloured_decoherence as coloured_decoherence
from stochq.exact.closed_forms import csl_decoherence_rate as csl_decoherence_rate
from stochq.exact.closed_forms import csl_energy_gain as csl_energy_gain
from stochq.exact.closed_forms import oqt_closed_form as oqt_closed_form
from stochq.exact.closed_forms import oqt_squared_distance as oqt_squared_distance
from stochq.exact.closed_forms import qmupl_asymptotic_widths as qmupl_asymptotic_widths
from stochq.exact.closed_forms import sui_qubit_steady_z as sui_qubit_steady_z
from stochq.exact.closed_forms import two_level_suv_mean_collapse_time as two_level_suv_mean_collapse_time
from stochq.exact.closed_forms import white_suv_outcome as white_suv_outcome
from stochq.exact.counting import Counts as Counts
from stochq.exact.counting import StationaryCounts as StationaryCounts
from stochq.exact.counting import counting as counting
from stochq.exact.counting import stationary_counting as stationary_counting
from stochq.exact.counting import waiting_time as waiting_time
from stochq.exact.evolve import evolve as evolve
from stochq.exact.expectations import expectations as expectations
from stochq.exact.regression import correlation as correlation
from stochq.exact.regression import record_correlation as record_correlation
from stochq.exact.result import ExactResult as ExactResult
from stochq.exact.steady import steady_state as steady_state

if TYPE_CHECKING:
    from stochq.compare import Comparison as Comparison
    from stochq.compare import CostHint as CostHint
    from stochq.compare import compare as compare
    from stochq.compare import cost_hint as cost_hint


def __getattr__(name: str) -> Any:
    """What stands in a room further up is imported when it is first asked for."""
    if name in ("Comparison", "CostHint", "compare", "cost_hint"):
        return getattr(import_module("stochq.compare"), name)
    raise AttributeError(f"module 'stochq.exact' has no attribute {name!r}")


__all__ = [
    "Counts",
    "ExactResult",
    "StationaryCounts",
    "closed_forms",
    "coloured_decoherence",
    "correlation",
    "correlations",
    "counting",
    "csl_decoherence_rate",
    "csl_energy_gain",
    "evolve",
    "expectations",
    "oqt_closed_form",
    "oqt_squared_distance",
    "qmupl_asymptotic_widths",
    "record_correlation",
    "stationary_counting",
    "steady_state",
    "sui_qubit_steady_z",
    "two_level_suv_mean_collapse_time",
    "waiting_time",
    "white_suv_outcome",
]
