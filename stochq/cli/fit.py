"""`stochq fit`: parameters of a configuration fitted to measured means or to records."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le

import stochq as sq
from stochq.cli.build import build
from stochq.cli.config import Config, load_config
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.feedback import Proportional
from stochq.cli.fields import FitParameter, Section
from stochq.cli.fit_data import read_means, read_record
from stochq.cli.models import Monitored
from stochq.files import check_replaceable, is_picture, replace_file
from stochq.inference.programs import NotTraceable
from stochq.real_parts import observable_of, row_names

# A fit worse than this, or one that did not end, is told of by the exit code.
UNLIKELY = 1e-4
LEVEL = 0.95


def fit_config(path: Path, data: Path, out: Path | None) -> int:
    """Fit, print the table, write the numbers and the picture.

    Args:
        path: the configuration, with a [fit] table.
        data: a table with the columns time, observable, value and stderr, or a result that `stochq run` wrote, of which
            a model with detectors takes the records; or records alone, from `Record.to_xarray`.
        out: where the numbers go; default: results/NAME-fit.json. The picture stands beside.

    Returns:
        the exit code: 0, or 1 for a model that does not describe the data or a search that stopped early.

    Raises:
        ConfigError: for input that cannot be fitted.
        OSError: if nothing can be written.
    """
    config = load_config(path)
    parameters = _parameters(config, str(path))
    _check_feedback(config, str(path))
    target = Path("results") / f"{path.stem}-fit.json" if out is None else out
    picture = target.with_suffix(".png")
    record = read_record(data, config)
    if record is None:
        known = build(config, str(path)).known
        times, names, means, measured = read_means(data, config, known)
        of_rows = {name: name if name in known else observable_of(name) for name in names}
        predict = _prediction(config, str(path), parameters, of_rows, means, times, data)
    else:
        predict, measured = _monitored(config, str(path), parameters), record
        print(f"Data:    {record}", flush=True)
    # Only now, so that input that cannot be read leaves no empty folder.
    target.parent.mkdir(parents=True, exist_ok=True)
    check_replaceable(target, "fit", _is_json)
    check_replaceable(picture, "picture", is_picture)
    start = {name: parameter.start for name, parameter in parameters.items()}
    bounds = {name: parameter.bounds for name, parameter in parameters.items()}
    priors = {name: parameter.prior for name, parameter in parameters.items() if parameter.prior}
    try:
        with warnings.catch_warnings():
            # What a fit warns of stands in its table.
            warnings.filterwarnings("ignore", message="fit: ")
            found = sq.fit(predict, measured, start, bounds=bounds, priors=priors)
    except NotTraceable as error:
        expected = "parameters that sizes, bases, energy windows and other numbers needed beforehand do not depend on"
        raise ConfigError(report(str(path), "fit.parameters", expected, ", ".join(parameters))) from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    print(found)
    _write(found, target)
    print(f"Numbers: {target}")
    from stochq.plotting import save_figure

    save_figure(found.plot(), picture)
    print(f"Picture: {picture}")
    return int(found.converged is False or found.p_value < UNLIKELY)


def _parameters(config: Config, place: str) -> dict[str, FitParameter]:
    """The parameters with their starts and bounds, from the rest of the file where the [fit] table is silent."""
    if config.fit is None:
        example = '[fit.parameters] with lines such as "model.strength" = { start = 0.5 }'
        raise ConfigError(report(place, "fit", example, "nothing"))
    if config.units is not None:
        expected = "no [units] in a file that is fitted: give all numbers, and the data, in one system of units"
        raise ConfigError(report(place, "units", expected, "this table"))
    found = {}
    for name, parameter in config.fit.parameters.items():
        section, key = _section(config, name, place)
        value = getattr(section, key)
        if isinstance(value, bool) or not isinstance(value, float | int):
            raise ConfigError(report(place, f"fit.parameters.{name}", "the key of a number", repr(value)))
        limits = type(section).model_fields[key].metadata
        lowest = 0.0 if any(isinstance(item, Ge | Gt) for item in limits) else None
        highest = 1.0 if any(isinstance(item, Le) for item in limits) else None
        found[name] = parameter.model_copy(
            update={
                "start": float(value) if parameter.start is None else parameter.start,
                "bounds": (lowest, highest) if parameter.bounds is None else parameter.bounds,
            }
        )
    return found


def _check_feedback(config: Config, place: str) -> None:
    model = config.model
    if isinstance(model, Monitored) and isinstance(model.feedback, Proportional):
        expected = 'kind "markovian" in a file that is fitted, as no filter follows a controller that answers late'
        raise ConfigError(report(place, "model.feedback", expected, 'kind = "proportional"'))


def _section(config: Config, name: str, place: str) -> tuple[Section, str]:
    """The table that holds a key such as "model.strength", and its last part."""
    here: Any = config
    *tables, key = name.split(".")
    for depth, part in enumerate([*tables, key]):
        known = list(type(here).model_fields) if isinstance(here, Section) else list(here)
        if part not in known:
            expected = f"one of the keys {', '.join(known)}{nearest(part, known)}"
            raise ConfigError(report(place, f"fit.parameters.{name}", expected, repr(part)))
        if depth < len(tables):
            here = _entry(here, part)
        if depth < len(tables) and not isinstance(here, Section | dict):
            expected = "the key of a number; this one is in something else than a table"
            raise ConfigError(report(place, f"fit.parameters.{name}", expected, repr(part)))
    if tables[:1] not in (["model"], ["system"]):
        raise ConfigError(report(place, "fit.parameters", "keys of [model] and [system]", repr(name)))
    if not isinstance(here, Section):
        raise ConfigError(report(place, f"fit.parameters.{name}", "the key of a number", "a table"))
    return here, key


def _entry(here: Any, part: str) -> Any:
    return here[part] if isinstance(here, dict) else getattr(here, part)


def _monitored(config: Config, place: str, parameters: dict[str, FitParameter]) -> Callable[..., Any]:
    """The equation and its initial state as a function of the parameters."""
    build(config, place)

    def model(values: dict[str, Any]) -> tuple[sq.Equation, np.ndarray]:
        job = build(_changed(config, parameters, values), place)
        return job.equation, job.psi0

    return model


def _changed(config: Config, parameters: dict[str, FitParameter], values: dict[str, Any]) -> Config:
    """The configuration with these values of the parameters, which may be traced."""
    for name in parameters:
        config = _with(config, name.split("."), values[name])
    return config


def _prediction(
    config: Config,
    place: str,
    parameters: dict[str, FitParameter],
    of_rows: dict[str, str],
    places: dict[str, np.ndarray] | None,
    times: np.ndarray,
    data: Path,
) -> Callable[..., dict[str, jax.Array]]:
    """The means of the master equation as a function of the parameters.

    of_rows: the observable of each name in the data, which may mean one part of it.
    """
    names, whole = list(of_rows), list(dict.fromkeys(of_rows.values()))
    asked = config.model_copy(update={"run": config.run.model_copy(update={"observables": whole})})

    def means(values: dict[str, Any], times: np.ndarray) -> dict[str, jax.Array]:
        job = build(_changed(asked, parameters, values), place)
        found = sq.expectations(job.equation, job.psi0, times, observables=job.observables)
        # A result holds complex means as they are.
        return found if places is None else {name: _part(name, one, found[one], data) for name, one in of_rows.items()}

    if places is None:
        return lambda values, times=times: means(values, times)
    shared = places[names[0]]
    if any(not np.array_equal(shared, places[name]) for name in names):
        return lambda values: {name: mean[places[name]] for name, mean in means(values, times).items()}

    def at_shared_times(values: dict[str, Any], times: np.ndarray = times[shared], start: float = times[0]) -> Any:
        grid = np.unique([start, *times])
        return {name: mean[np.searchsorted(grid, times)] for name, mean in means(values, grid).items()}

    return at_shared_times


def _part(name: str, observable: str, mean: jax.Array, data: Path) -> jax.Array:
    """The real or the imaginary part of an observable's mean, as the name in the data says.

    Raises:
        ConfigError: for a part of a real observable, and a complex one as a whole.
    """
    rows = row_names(observable, jnp.iscomplexobj(mean))
    if name not in rows:
        what = "the parts of a complex observable" if len(rows) == 2 else "a real observable as a whole"
        raise ConfigError(report(str(data), "observable", f"{what}: {' and '.join(map(repr, rows))}", repr(name)))
    return mean.imag if rows.index(name) else mean.real


def _with(section: Any, path: list[str], value: Any) -> Any:
    """A section, or a table of such, with one number replaced, which may be traced."""
    key, *rest = path
    changed = {key: _with(_entry(section, key), rest, value) if rest else value}
    return section | changed if isinstance(section, dict) else section.model_copy(update=changed)


def _write(found: sq.Fit, target: Path) -> None:
    low, high = found.intervals(LEVEL)
    numbers = {
        "parameters": {
            name: {
                "value": float(found.parameters[name]),
                "stderr": float(found.stderr[name]),
                "interval_95": [float(low[name]), float(high[name])],
            }
            for name in found.names
        },
        "names": list(found.names),
        "covariance": found.covariance.tolist(),
        "chi2": found.chi2,
        "dof": found.dof,
        "p_value": found.p_value,
        "log_likelihood": found.log_likelihood,
        "converged": found.converged,
        "notes": list(found.notes),
    }
    text = json.dumps(_with_nulls(numbers), indent=2, allow_nan=False) + "\n"
    replace_file(check_replaceable(target, "fit", _is_json), lambda file: file.write_text(text, encoding="utf-8"))


def _with_nulls(value: Any) -> Any:
    """The same with None in place of numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _with_nulls(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_nulls(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _is_json(path: Path) -> bool:
    try:
        return "covariance" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        return False
