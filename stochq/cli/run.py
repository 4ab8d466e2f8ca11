"""`stochq run` and `stochq plot`: a configuration becomes a result, a table and a picture."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import stochq as sq
from stochq.cli import INTERRUPTED
from stochq.cli.build import Job, build
from stochq.cli.config import Config, load_config
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.going_on import (
    checkpoint_for,
    name_of_part,
    parts_beside,
    save_somewhere,
    terminated_as_interrupted,
    uninterrupted,
)
from stochq.cli.log import logged_to
from stochq.cli.report import DIFFERENT, advice, observables_table, print_whole, reached, verdict
from stochq.cli.units import in_si, values_in_si
from stochq.ensemble.result import EnsembleResult
from stochq.equation import is_left_open
from stochq.events import note
from stochq.exact.result import ExactResult
from stochq.files import check_replaceable, is_picture
from stochq.io import NETCDF_ENDINGS, Curves, check_target, load, load_curves, save

# Above this dimension a density matrix is too much to evolve for a table.
EXACT_DIM = 1024


def run_config(
    path: Path,
    out: Path | None,
    plot: Path | None,
    resume: bool = False,
    settings: Mapping[str, int | float | None] | None = None,
    devices: str | None = None,
    log: Path | None = None,
) -> int:
    """Simulate, save, compare with the master equation and draw.

    Args:
        path: the configuration.
        out: where the result goes; default: as the configuration says.
        plot: where the picture goes; default: as the configuration says.
        resume: whether the run goes on where an earlier one with this result ended.
        settings: keys of the table [run], in place of those of the configuration; None leaves one as it is.
        devices: "all", or how many of the local devices as text; None for one.
        log: what is told meanwhile, in lines of JSON; None for nowhere.

    Returns:
        the exit code: 0, 1 where ensemble and master equation differ or the result had to be saved elsewhere, 130 after
        an interruption.

    Raises:
        ConfigError: for a configuration that cannot be run.
        OSError: if a result cannot be written.
    """
    config = load_config(path, settings)
    target, picture = _output_files(config, path, out, plot)
    names = _panels(config, path)
    with logged_to(log), terminated_as_interrupted():
        note(f"{path}: the run begins", "begun", result=target, process=os.getpid(), stochq=sq.__version__)
        try:
            job = build(config, str(path))
            _print_title(config, path, job)
            with _checkpoint(job, target, resume) as checkpoint:
                result = simulate_job(job, config, checkpoint, devices)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
        print(reached(result), end="")
        shown = in_si(result, job.scales)
        if result.info.get("interrupted"):
            _save_part(shown, target, checkpoint)
            return INTERRUPTED
        saved = save_somewhere(shown, target)
        print(f"Result:  {saved}", flush=True)
        for part in parts_beside(shown, target):
            print(f"{part} is a part of it, from an interruption; it may be deleted.", flush=True)
        note(f"result: {saved}", "saved", result=saved, trajectories=result.trajectories)
        curves, agrees = _judge(job, result, shown, config, names)
        save(shown, saved, curves)
        draw(shown, curves, picture, names, config.output.residuals)
    return 0 if agrees and saved == target else 1


def _print_title(config: Config, path: Path, job: Job) -> None:
    most = "" if config.run.tolerance is None else "at most "
    title = config.title or path.stem
    print(f"{title}: {most}{config.run.trajectories} trajectories, dimension {job.equation.dim}")
    print("".join(f"{line}\n" for line in job.notes), end="", flush=True)


def _save_part(shown: EnsembleResult, target: Path, checkpoint: Path | None) -> None:
    """Save what an interrupted run has, under a name of its own."""
    with uninterrupted():
        part = save_somewhere(shown, name_of_part(shown, target))
        print(f"Interrupted after {shown.trajectories} trajectories. Their result: {part}")
        print("" if checkpoint is None else "Go on with --resume.\n", end="")
        note(f"interrupted; result: {part}", "interrupted", result=part, trajectories=shown.trajectories)


def plot_file(path: Path, out: Path | None) -> None:
    """Draw a saved result. Raises: FileNotFoundError, ValueError as `stochq.io.load`."""
    result, curves = load(path), load_curves(path)
    picture = path.with_suffix(".png") if out is None else out
    if picture.resolve() == path.resolve():
        raise ConfigError(report(str(path), "--out", "a name for the picture that is not the result's", str(picture)))
    draw(result, curves, picture, list(result.mean), residuals=True)


def draw(result: EnsembleResult, curves: Curves, picture: Path, names: Sequence[str], residuals: bool) -> None:
    """Write the picture of a result and say where."""
    from stochq.plotting import plot_result, save_figure

    figure = plot_result(result, curves.exact or None, names, residuals=residuals)
    save_figure(figure, picture)
    print(f"Picture: {picture}")


def _output_files(config: Config, path: Path, out: Path | None, plot: Path | None) -> tuple[Path, Path]:
    """Where the result and the picture go: options first, then the file, then results/. Looked at before the work."""
    target = out or Path(config.output.result or Path("results") / f"{path.stem}.nc")
    picture = plot or Path(config.output.plot or target.with_suffix(".png"))
    for file in (target, picture):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise ConfigError(report(str(path), "output", "the name of a file to write", f"the folder {file}"))
    if target.resolve() == picture.resolve():
        expected = "different names for the result, such as result.nc, and for its picture"
        raise ConfigError(report(str(path), "output", expected, f"{target} for both"))
    check_target(target)
    check_replaceable(picture, "picture", is_picture)
    _check_endings(target, picture, path)
    return target, picture


def _check_endings(target: Path, picture: Path, path: Path) -> None:
    """ConfigError for names that promise another kind of file than is written."""
    from matplotlib.backend_bases import FigureCanvasBase

    if target.suffix.lower() not in NETCDF_ENDINGS:
        expected = "a result's name that ends in .nc, as it is a netCDF file"
        raise ConfigError(report(str(path), "output.result", expected, str(target)))
    known = FigureCanvasBase.get_supported_filetypes()
    if picture.suffix and picture.suffix[1:].lower() not in known:
        expected = f"a picture's name that ends in .{', .'.join(sorted(known))}"
        raise ConfigError(report(str(path), "output.plot", expected, str(picture)))


def _panels(config: Config, path: Path) -> list[str]:
    panels = config.output.panels or config.run.observables
    for i, name in enumerate(panels):
        if name not in config.run.observables:
            known = ", ".join(config.run.observables)
            expected = f"one of run.observables: {known}{nearest(name, config.run.observables)}"
            raise ConfigError(report(str(path), f"output.panels[{i}]", expected, repr(name)))
    return panels


def _checkpoint(job: Job, target: Path, resume: bool) -> AbstractContextManager[Path | None]:
    """Where the run is written down; nowhere if it takes the law that is fastest at the moment."""
    if not is_left_open(job.equation):
        return checkpoint_for(target, resume)
    if resume:
        raise ValueError("model.noise: expected a law that is named, with --resume; got 'any'.")
    return nullcontext()


def simulate_job(job: Job, config: Config, checkpoint: Path | None, devices: str | None) -> EnsembleResult:
    """The ensemble of a configuration, from which `job` was built."""
    settings = config.run
    averages = settings.tolerance is not None or (job.scheme is not None and job.scheme.averages_only)
    kept = 0 if averages and "keep" not in settings.model_fields_set else settings.keep
    return sq.simulate(
        job.equation,
        job.psi0,
        job.times,
        observables=job.observables,
        trajectories=settings.trajectories,
        seed=settings.seed,
        first=settings.first,
        checkpoint=checkpoint,
        scheme=job.scheme,
        dt=job.dt,
        precision=settings.precision,
        batch=settings.batch,
        devices=int(devices) if devices is not None and devices.isdecimal() else devices,  # type: ignore[arg-type]
        keep=min(kept, settings.trajectories),
        tolerance=settings.tolerance,
        max_hours=settings.max_hours,
        records=settings.records,
        store_final_states=settings.store_final_states,
    )


def _judge(
    job: Job,
    result: EnsembleResult,
    shown: EnsembleResult,
    config: Config,
    names: Sequence[str],
) -> tuple[Curves, bool]:
    """Print the table and the verdict; the exact curves, if the master equation is within reach, and False where
    the ensemble differs from them."""
    exact, why = _exact(job, config)
    if exact is None:
        print_whole(observables_table(shown, {}, {}, names, config.output.rows))
        print(why, end="")
        return Curves(), True
    comparison = sq.compare(result, exact)
    expect = values_in_si(exact.expect, job.scales)
    print_whole(observables_table(shown, expect, comparison.z, names, config.output.rows))
    print(verdict(comparison))
    print(advice(float(result.info.get("seconds", 0.0)), exact.seconds), end="")
    return Curves(expect), comparison.p_value >= DIFFERENT


def _exact(job: Job, config: Config) -> tuple[ExactResult | None, str]:
    """The master equation's answer, or None and why there is none: what has been simulated is shown in any case."""
    if not config.run.exact:
        return None, ""
    if job.equation.dim > EXACT_DIM:
        return None, f"No comparison: the master equation is not evolved above dimension {EXACT_DIM}.\n"
    try:
        return sq.exact.evolve(job.equation, job.psi0, job.times, observables=job.observables), ""
    except (ValueError, RuntimeError) as error:
        return None, f"No comparison: {error}\n"
