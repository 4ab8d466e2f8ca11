"""`stochq run` and `stochq plot`: a configuration becomes a result, a table and a picture."""

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import stochq as sq
from stochq.cli import INTERRUPTED
from stochq.cli.build import Job, build, unit_note
from stochq.cli.config import Config, load_config
from stochq.cli.errors import ConfigError, located, nearest, noted, report
from stochq.cli.going_on import (
    checkpoint_for,
    name_of_part,
    parts_beside,
    save_somewhere,
    terminated_as_interrupted,
    uninterrupted,
)
from stochq.cli.html_report import Report, Told, check_report, write_report
from stochq.cli.log import logged_to
from stochq.cli.report import (
    DIFFERENT,
    Judged,
    advice,
    observables_rows,
    observables_table,
    print_whole,
    reached,
    verdict,
)
from stochq.cli.units import in_si, values_in_si
from stochq.ensemble.result import EnsembleResult
from stochq.equation import is_left_open
from stochq.events import note
from stochq.exact.result import ExactResult
from stochq.files import check_replaceable, is_picture
from stochq.io import NETCDF_ENDINGS, Curves, check_target, load, load_curves, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Above this dimension a density matrix is too much to evolve for a table.
EXACT_DIM = 1024


@dataclass(frozen=True)
class Asked:
    """What the command line asks for beside the configuration.

    Args:
        out, plot: where the result and the picture go; default: as the configuration says.
        resume: whether the run goes on where an earlier one with this result ended.
        settings: keys of the table [run], in place of those of the configuration; None leaves one as it is.
        sets: texts KEY=VALUE, in place of keys of the configuration.
        devices: "all", or how many of the local devices as text; None for one.
        log: where what is told meanwhile goes, in lines of JSON; None for nowhere.
        report: where the report goes; None for none.
        progress: whether it is shown how far the run is; None where that is useful.
    """

    out: Path | None = None
    plot: Path | None = None
    resume: bool = False
    settings: Mapping[str, int | float | None] = field(default_factory=dict)
    sets: Sequence[str] = ()
    devices: str | None = None
    log: Path | None = None
    report: Path | None = None
    progress: bool | None = None

    def changes(self) -> list[str]:
        """The options that change keys of the configuration, as they are written."""
        options = [f"--{key.replace('_', '-')}={value}" for key, value in self.settings.items() if value is not None]
        return options + [f"--set={text}" for text in self.sets]

    def command(self, path: Path) -> str:
        """What makes the same again."""
        outputs = {"out": self.out, "plot": self.plot, "report": self.report, "devices": self.devices}
        options = [f"--{name}={value}" for name, value in outputs.items() if value is not None]
        return shlex.join(["stochq", "run", str(path), *self.changes(), *options])


def run_config(path: Path, asked: Asked) -> int:
    """Simulate, save, compare with the master equation and draw.

    Args:
        path: the configuration.
        asked: what the command line asks for beside it.

    Returns:
        the exit code: 0, 1 where ensemble and master equation differ or the result had to be saved elsewhere, 130 after
        an interruption.

    Raises:
        ConfigError: for a configuration that cannot be run.
        OSError: if a result cannot be written.
    """
    config = load_config(path, asked.settings, asked.sets)
    target, picture = _output_files(config, path, asked)
    names = _panels(config, path)
    told = Told()
    with logged_to(asked.log, told), terminated_as_interrupted(), noted(unit_note(config)):
        note(f"{path}: the run begins", "begun", result=target, process=os.getpid(), stochq=sq.__version__)
        with located(str(path), {"run": config.run}, unit_note(config)):
            job = build(config, str(path))
            _print_title(config, path, job)
            with _checkpoint(job, target, asked.resume) as checkpoint:
                result = simulate_job(job, config, checkpoint, asked.devices, asked.progress)
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
        judged = _judge(job, result, shown, config, names)
        print_whole(observables_table(judged.headings, judged.rows))
        print("".join(f"{line}\n" for line in judged.lines), end="")
        save(shown, saved, judged.curves)
        figure = draw(shown, judged.curves, picture, names, config.output.residuals)
        if asked.report is not None:
            pictures = [("Means and exact curves", figure)]
            report = Report(path, config, asked.command(path), asked.changes(), judged, told, job.notes, pictures)
            write_report(asked.report, report, shown)
            print(f"Report:  {asked.report}")
    return 0 if judged.agrees and saved == target else 1


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
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(result, curves, picture, list(result.mean), residuals=True)


def draw(result: EnsembleResult, curves: Curves, picture: Path, names: Sequence[str], residuals: bool) -> "Figure":
    """Write the picture of a result and say where. Returns: it."""
    from stochq.plotting import plot_result, save_figure

    figure = plot_result(result, curves.exact or None, names, residuals=residuals)
    save_figure(figure, picture)
    print(f"Picture: {picture}")
    return figure


def _output_files(config: Config, path: Path, asked: Asked) -> tuple[Path, Path]:
    """Where the result and the picture go: options first, then the file, then results/. Looked at before the work."""
    target = asked.out or Path(config.output.result or Path("results") / f"{path.stem}.nc")
    picture = asked.plot or Path(config.output.plot or target.with_suffix(".png"))
    for file in (target, picture, *([] if asked.report is None else [asked.report])):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise ConfigError(report(str(path), "output", "the name of a file to write", f"the folder {file}"))
    if target.resolve() == picture.resolve():
        expected = "different names for the result, such as result.nc, and for its picture"
        raise ConfigError(report(str(path), "output", expected, f"{target} for both"))
    check_target(target)
    check_replaceable(picture, "picture", is_picture)
    _check_endings(target, picture, path)
    if asked.report is not None:
        check_report(asked.report)
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


def simulate_job(
    job: Job, config: Config, checkpoint: Path | None, devices: str | None, progress: bool | None = None
) -> EnsembleResult:
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
        feedback=job.feedback,
        store_final_states=settings.store_final_states,
        progress=progress,
    )


def _judge(
    job: Job,
    result: EnsembleResult,
    shown: EnsembleResult,
    config: Config,
    names: Sequence[str],
) -> Judged:
    """The table and the verdict, with the exact curves if the master equation is within reach."""
    exact, why = _exact(job, config)
    if exact is None:
        return Judged(Curves(), True, *observables_rows(shown, {}, {}, names, config.output.rows), [why] if why else [])
    comparison = sq.compare(result, exact)
    expect = values_in_si(exact.expect, job.scales)
    table = observables_rows(shown, expect, comparison.z, names, config.output.rows)
    lines = [verdict(comparison), *advice(float(result.info.get("seconds", 0.0)), exact.seconds)]
    return Judged(Curves(expect), comparison.p_value >= DIFFERENT, *table, lines)


def _exact(job: Job, config: Config) -> tuple[ExactResult | None, str]:
    """The master equation's answer, or None and why there is none: what has been simulated is shown in any case."""
    if not config.run.exact:
        return None, ""
    if job.feedback is not None:
        return None, 'No comparison: a controller that answers late has no master equation; kind "markovian" has one.'
    if job.equation.dim > EXACT_DIM:
        return None, f"No comparison: the master equation is not evolved above dimension {EXACT_DIM}."
    try:
        return sq.exact.evolve(job.equation, job.psi0, job.times, observables=job.observables), ""
    except (ValueError, RuntimeError) as error:
        return None, f"No comparison: {error}"
