"""`stochq merge`: results of parts of one ensemble become one."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

from stochq.cli.errors import ConfigError, report
from stochq.ensemble.result import EnsembleResult
from stochq.io import NETCDF_ENDINGS, Curves, check_target, load, load_curves, save


def merge_files(files: Sequence[Path], out: Path) -> None:
    """Merge saved results of disjoint ranges of trajectories and save them as one.

    Raises:
        ConfigError: for fewer than two.
        ValueError: for results that do not merge, naming the file.
    """
    if len(files) < 2:
        raise ConfigError(report("merge", "", "at least two results", f"{len(files)}"))
    out.parent.mkdir(parents=True, exist_ok=True)
    check_target(out)
    if out.suffix.lower() not in NETCDF_ENDINGS:
        raise ConfigError(
            report("merge", "--out", "a result's name that ends in .nc, as it is a netCDF file", str(out))
        )
    merged = reduce(_with_file, files[1:], load(files[0]))
    save(merged, out, _curves(files))
    ranges = ", ".join(f"{start} to {stop - 1} of seed {seed}" for seed, start, stop in merged.ranges)
    print(f"{len(files)} results: {merged.trajectories} trajectories, {ranges}")
    print(f"Result:  {out}")


def _with_file(merged: EnsembleResult, file: Path) -> EnsembleResult:
    try:
        return merged.merge(load(file))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _curves(files: Sequence[Path]) -> Curves:
    """The exact curves that a file has beside its result: those of one problem are the same."""
    return next((curves for curves in map(load_curves, files) if curves.exact), Curves())
