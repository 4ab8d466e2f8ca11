"""QuTiP's options: those that mean something here are obeyed, those of its machinery are accepted, others refused."""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

# Of every solver with many trajectories, with QuTiP 5.3.1's defaults.
COMMON: dict[str, Any] = {
    "progress_bar": "text",
    "progress_kwargs": {"chunk_size": 10},
    "store_final_state": False,
    "store_states": None,
    "keep_runs_results": False,
    "normalize_output": False,
    "map": "serial",
    "mpi_options": {},
    "num_cpus": None,
    "bitgenerator": None,
}
# Of ssesolve and smesolve. A step of None is as long as its bias stays below a tenth of the standard error.
STOCHASTIC: dict[str, Any] = {**COMMON, "method": "platen", "store_measurement": "", "dt": None}
# What QuTiP's own integrators take beside the step, and nothing here needs.
STOCHASTIC_MACHINERY = ("tol", "derr_dt", "solve_method", "solve_options")
# The methods of QuTiP 5.3.1. "euler" is Euler and Maruyama's; for all others the best scheme is taken that applies.
SSE_METHODS = ("platen", "euler", "explicit1.5", "rouchon")
SME_METHODS = (
    *SSE_METHODS, "milstein", "milstein_imp", "pred_corr", "taylor1.5", "taylor1.5_imp",
)  # fmt: skip
_BARS = ("text", "enhanced", "tqdm", "")
_MEASUREMENTS = ("start", "middle", "end", "")


def checked_options(
    options: Mapping[str, object] | None,
    defaults: Mapping[str, Any],
    machinery: tuple[str, ...],
    methods: tuple[str, ...],
) -> dict[str, Any]:
    """The options of a run, defaults included.

    Args:
        options: as the user gave them.
        defaults: all that are obeyed or accepted, with their defaults.
        machinery: names of others that are accepted where they are given.
        methods: those that QuTiP's solver knows.

    Raises:
        ValueError: for names that neither knows, with the nearest that does, and for values that do not fit.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"options: expected a dictionary or None; got {type(options).__name__}.")
    given = dict(options or {})
    known = (*defaults, *machinery)
    for name in given:
        if name not in known:
            raise ValueError(f"options: expected names among {', '.join(known)}; got {name!r}.{_nearest(name, known)}")
    found = {**defaults, **given}
    for name in ("store_final_state", "keep_runs_results", "normalize_output"):
        _check(name, found.get(name, False), found.get(name, False) in (True, False), "True or False")
    _check("store_states", found["store_states"], found["store_states"] in (None, True, False), "True, False or None")
    bar = found["progress_bar"]
    _check("progress_bar", bar, bar in (*_BARS, True, False, None), "one of 'text', 'enhanced', 'tqdm' and ''")
    if found["method"] not in methods:
        near = _nearest(found["method"], methods)
        raise ValueError(f"options['method']: expected one of {', '.join(methods)}; got {found['method']!r}.{near}")
    if "store_measurement" in defaults:
        kind = found["store_measurement"]
        _check(
            "store_measurement", kind, kind in _MEASUREMENTS or kind is True or kind is False,
            "'start', 'middle', 'end' or ''",
        )  # fmt: skip
    step = found.get("dt")
    is_step = isinstance(step, (int, float, np.number)) and not isinstance(step, bool) and 0 < step < np.inf
    _check("dt", step, step is None or is_step, "a positive step or None, which chooses one")
    return found


def progress_of(options: Mapping[str, Any], given: Mapping[str, object] | None) -> bool | None:
    """What `sq.simulate` is told about progress: the default shows a bar where there is a place for one."""
    if not options["progress_bar"]:
        return False
    return True if given and "progress_bar" in given else None


def _check(name: str, value: object, is_right: object, expected: str) -> None:
    if not is_right:
        raise ValueError(f"options[{name!r}]: expected {expected}; got {value!r}.")


def _nearest(name: object, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
