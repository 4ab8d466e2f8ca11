"""What a call of `simulate` asks for: observables, a scheme, antithetic pairs; what does not go together is refused."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from stochq.arrays import Observable
from stochq.ensemble.final_states import FINAL
from stochq.ensemble.jumps.log import CLICKS
from stochq.ensemble.norms import NORMS
from stochq.ensemble.observables import readout
from stochq.ensemble.records import RECORDS
from stochq.ensemble.statistics import COVARIANCE, MEAN, PAIR_SPREAD, Histogram, Statistic
from stochq.equation import Equation
from stochq.function_checks import check_state_function
from stochq.real_parts import has_complex_values, real_rows
from stochq.schemes import Scheme, check_scheme, default_scheme
from stochq.systems.checks import check_count


class Asked(NamedTuple):
    """What is wanted of an ensemble.

    names: in the user's order. observables: real rows or functions whose means are wanted. statistics: by name. single:
    what asks for the law of single trajectories, in words; empty where averages are all.
    """

    names: list[str]
    observables: dict[str, Any]
    statistics: dict[str, Statistic]
    single: str


def what_is_asked(
    observables: Mapping[str, Observable | Statistic], dim: int, keep: int, records: Any, conditional: bool
) -> Asked:
    """The observables, checked, and whether single trajectories matter."""
    names, plain, statistics = _split(observables, (dim, dim) if conditional else (dim,))
    single = "conditional=True" if conditional else _asks_for_single_trajectories(keep, records, statistics)
    return Asked(names, plain, statistics, single)


def _asks_for_single_trajectories(keep: int, records: Any, statistics: Mapping[str, Statistic]) -> str:
    """What asks for the law of single trajectories; empty where averages are all."""
    if keep:
        return f"keep={keep}"
    if records is not False:
        return f"records={records!r}"
    return next((f"the statistic {name!r}" for name, each in statistics.items() if each.of_trajectories), "")


def checked_scheme(equation: Equation, scheme: Scheme | None, single: str, averages: bool) -> Scheme:
    """The scheme that was given or the best one; averages: whether nothing but means, at a step of our choice, is asked
    for."""
    if scheme is None:
        scheme = default_scheme(equation, averages)
    check_scheme(scheme, equation)
    if single and scheme.averages_only:
        raise ValueError(
            f"scheme: expected one whose single trajectories have the equation's law, for {single}; increments="
            "'discrete' has the right averages, not the right single trajectories. Use sq.schemes.Strang()."
        )
    return scheme


def pairs_of(
    wanted: bool | None,
    trajectories: int,
    single: str,
    statistics: Mapping[str, Statistic],
    tolerance: float | None,
    dt: float | None,
) -> bool | None:
    """Whether trajectories come in antithetic pairs; None leaves it to what is measured."""
    alone = single or next((f"the statistic {name!r}" for name in statistics), "")
    if not wanted:
        return False if wanted is False or alone or tolerance is None else None
    if alone:
        raise ValueError(f"antithetic: expected False or None with {alone}, which asks for single trajectories.")
    if tolerance is None and dt is None:
        raise ValueError(
            "antithetic: expected a tolerance or a dt beside it: the step is chosen against the standard error of "
            "independent trajectories."
        )
    if trajectories % 2:
        raise ValueError(f"trajectories: expected an even number with antithetic=True; got {trajectories}.")
    return True


def check_first(first: int, pairs: bool | None) -> None:
    """ValueError for a first trajectory that is the second of an antithetic pair."""
    if first % 2 and pairs is not False:
        raise ValueError(
            f"first: expected an even number where trajectories may come in antithetic pairs; got {first}. Give an "
            "even one, or antithetic=False."
        )


def check_options(precision: str, batch: int | None, check: str | None = None) -> None:
    """ValueError for a precision or a check that does not exist or a batch that is not a positive whole number."""
    if not isinstance(precision, str) or precision not in ("single", "double"):
        raise ValueError(f"precision: expected 'single' or 'double'; got {precision!r}.")
    if batch is not None:
        check_count("batch", batch, 1)
    if check not in (None, "precision"):
        raise ValueError(f"check: expected 'precision' or None; got {check!r}.")


def _split(
    observables: Mapping[str, Observable | Statistic], shape: tuple[int, ...]
) -> tuple[list[str], dict[str, Any], dict[str, Statistic]]:
    """All names in the user's order, real rows of the observables whose mean is wanted, and statistics by name.

    shape: of a state, (dim,) or (dim, dim).
    """
    dim = shape[0]
    statistics: dict[str, Statistic] = {
        name: value for name, value in observables.items() if isinstance(value, Statistic)
    }
    for name, value in statistics.items():
        if name in (MEAN, COVARIANCE, PAIR_SPREAD, RECORDS, CLICKS, FINAL, NORMS):
            raise ValueError(f"observables: expected names other than {name!r}, which every run has; rename it.")
        if isinstance(value, Histogram):
            operator: Any = value.operator
            readout({name: operator}, dim)
            if callable(operator):
                check_state_function(f"observables[{name!r}]", operator, *shape)
                if has_complex_values(operator, *shape):
                    raise ValueError(
                        f"observables[{name!r}]: expected a function with real values for a histogram; got complex "
                        "ones. Take jnp.real(...) of them."
                    )
    plain: dict[str, Any] = {name: value for name, value in observables.items() if name not in statistics}
    for name, value in plain.items():
        if callable(value):
            check_state_function(f"observables[{name!r}]", value, *shape)
    if not plain:
        plain = {"norm": np.ones(dim)}
    return list({**observables, **plain}), real_rows(plain, *shape), statistics
