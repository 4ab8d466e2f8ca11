"""`stochq exclude`: what an experiment of one's own says about the collapse rate."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

import stochq as sq
from stochq.bounds import Exclusion
from stochq.bounds.experiment import Experiment
from stochq.bounds.spectra import NAMED
from stochq.cli.errors import ConfigError
from stochq.cli.experiment import ExcludeConfig, load_experiment
from stochq.files import check_replaceable, is_picture, replace_file
from stochq.plotting import save_figure

# How the first column of a table of bounds is headed: the mark by which such a table is known.
LENGTH_HEADING = "r_C [m]"


def exclude_config(path: Path, out: Path) -> None:
    """Print the bound, write all bounds as NAME.csv and the picture as NAME.png and NAME.svg into `out`.

    Raises:
        ConfigError: for a configuration that cannot be used.
        OSError: if a file cannot be written.
    """
    config = load_experiment(path)
    table, *pictures = _output_files(path, out)
    try:
        mine = _experiment(config)
        found = _among_others(mine, config)
        rates = mine.rate_bound(config.plane.printed, **_variant(config))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    print(f"{config.title or mine.name}: {_described(config)}")
    _print_bound(config.plane.printed, rates)
    _print_proposals(mine, config)
    replace_file(table, lambda aside: _write_columns(found, aside))
    made = found.plot(highlight=[mine.name])
    for picture in pictures:
        save_figure(made, picture)
    print(f"Table and pictures: {out / path.stem}.csv, .png, .svg")


def _experiment(config: ExcludeConfig) -> Experiment:
    entry = config.experiment.model_dump(exclude_none=True)
    return sq.bounds.build(entry.pop("name"), entry)


def _variant(config: ExcludeConfig) -> dict[str, Any]:
    spectrum = config.noise.spectrum
    made = None if spectrum is None else NAMED[spectrum.kind](spectrum.cutoff)
    return {"spectrum": made, "noise_temperature": config.noise.temperature}


def _among_others(mine: Experiment, config: ExcludeConfig) -> Exclusion:
    plane = config.plane
    others = [other for other in sq.bounds.default_experiments() if other.name != mine.name]
    lengths = np.geomspace(plane.shortest, plane.longest, plane.points)
    return sq.bounds.exclusion(lengths, [*others, mine], **_variant(config))


def _described(config: ExcludeConfig) -> str:
    noise = config.noise
    if noise.spectrum is not None:
        return f"CSL with a {noise.spectrum.kind} spectrum cut off at {noise.spectrum.cutoff:g} rad/s"
    if noise.temperature is not None:
        return f"dissipative CSL with noise of {noise.temperature:g} K"
    return "CSL with white noise"


def _print_bound(lengths: list[float], rates: np.ndarray) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("r_C (m)", justify="right")
    table.add_column("λ (1/s) at most", justify="right")
    for length, rate in zip(lengths, rates, strict=True):
        table.add_row(f"{length:g}", f"{rate:.4g}" if np.isfinite(rate) else "no bound")
    Console().print(table)


def _print_proposals(mine: Experiment, config: ExcludeConfig) -> None:
    for proposal in sq.constants.PROPOSALS:
        rate = float(mine.rate_bound(proposal.length, **_variant(config)))
        spread = 10.0**proposal.decades
        if rate < proposal.rate / spread:
            verdict = "excluded"
        elif rate < proposal.rate * spread:
            verdict = "excluded in part"
        else:
            verdict = "not excluded"
        print(f"{proposal.name} (λ = {proposal.rate:g} /s at {proposal.length:g} m): {verdict}")


def _output_files(path: Path, out: Path) -> list[Path]:
    """The table and the pictures that are written, looked at before the work."""
    out.mkdir(parents=True, exist_ok=True)
    table = check_replaceable(out / f"{path.stem}.csv", "table of bounds", _is_table)
    return [table, *(check_replaceable(out / f"{path.stem}.{form}", "picture", is_picture) for form in ("png", "svg"))]


def _is_table(path: Path) -> bool:
    return path.read_bytes().startswith(LENGTH_HEADING.encode())


def _write_columns(found: Exclusion, path: Path) -> None:
    columns = {
        LENGTH_HEADING: found.lengths,
        **{f"{name} [1/s]": bound for name, bound in (dict(found.upper) | dict(found.lower)).items()},
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([f"{value:.6g}" for value in row] for row in zip(*columns.values(), strict=True))
