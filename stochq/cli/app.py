"""The commands and their options."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stochq.cli.errors import reported

app = typer.Typer(
    name="stochq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Kind(StrEnum):
    """Commands that read a configuration."""

    run = "run"
    exclude = "exclude"
    fit = "fit"


def _print_version(asked: bool) -> None:
    if asked:
        import stochq

        typer.echo(f"stochq {stochq.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ensembles of stochastic Schrödinger equations, checked against their master equations."""


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to simulate.")],
    out: Annotated[Path | None, typer.Option(metavar="RESULT.nc", help="Where the result goes.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Where the picture goes.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run ended.")] = False,
    seed: Annotated[int | None, typer.Option(help="In place of the configuration's.")] = None,
    first: Annotated[int | None, typer.Option(help="The trajectory of the seed to begin with.")] = None,
    trajectories: Annotated[int | None, typer.Option(help="In place of the configuration's.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="In place of the configuration's.")] = None,
    max_hours: Annotated[float | None, typer.Option(help="A run that is estimated to take longer is refused.")] = None,
    devices: Annotated[str | None, typer.Option(metavar="N|all", help="Over how many devices; default one.")] = None,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="What the run tells, in lines of JSON.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="REPORT.html", help="One file that tells what was simulated and came out.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="In place of a key of the configuration: model.strength=0.5"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")] = False,
    coordinator: Annotated[
        str | None, typer.Option(metavar="ADDRESS:PORT", help="Of the first of several hosts started by hand.")
    ] = None,
    process: Annotated[
        str | None, typer.Option(metavar="I/N", help="Which host this is, from 0, and how many there are.")
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="No matter what else SLURM or MPI started beside it.")] = False,
) -> None:
    """Simulate an ensemble, compare it with the master equation, save both and draw them.

    What is done is kept beside the result, as RESULT.checkpoint: after an interruption, or a kill, --resume goes on to
    the same numbers; with more --trajectories it extends a finished run.

    Started as several tasks by SLURM, MPI or Kubernetes, these make one run together, and the first writes it.

    Exit code 1 if they differ (p below 1e-6) or the result had to be saved elsewhere, 2 for wrong input, 130 after an
    interruption (Ctrl-C or SIGTERM), whose part of a result is saved under a name of its own.
    """
    from stochq.cli.hosts import joined_run, take_part
    from stochq.cli.run import Asked, run_config
    from stochq.cli.streams import silent

    settings = {"seed": seed, "first": first, "trajectories": trajectories, "tolerance": tolerance}
    settings |= {"max_hours": max_hours}
    progress = False if quiet else None
    asked = Asked(out, plot, resume, settings, sets or (), devices, log, report, progress)
    with reported(), silent(quiet):
        code = take_part(config, asked) if joined_run(coordinator, process, alone) else run_config(config, asked)
    raise typer.Exit(code)


@app.command()
def status(
    result: Annotated[Path, typer.Argument(metavar="RESULT.nc", help="Of a run that goes on, was ended or is done.")],
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Its log; default RESULT.log.")] = None,
) -> None:
    """Tell how far a run is and how well its means are known, from its checkpoint and its log."""
    from stochq.cli.status import print_status

    with reported():
        print_status(result, log)


@app.command("plot")
def plot_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT.nc", help="A result that `stochq run` wrote.")],
    out: Annotated[Path | None, typer.Option(metavar="PNG", help="Default: beside the result.")] = None,
) -> None:
    """Draw a saved result."""
    from stochq.cli.run import plot_file

    with reported():
        plot_file(result, out)


@app.command()
def merge(
    results: Annotated[list[Path], typer.Argument(metavar="A.nc B.nc ...", help="Results of one problem.")],
    out: Annotated[Path, typer.Option(metavar="RESULT.nc", help="Where the merged result goes.")],
) -> None:
    """Merge results whose trajectories have different seeds, or disjoint ranges of one (`stochq run --first`).

    Ranges of whole blocks give the very numbers of one run over all of them, in any order.
    """
    from stochq.cli.merge import merge_files

    with reported():
        merge_files(results, out)


@app.command()
def reproduce(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Tables and pictures go to DIR/PAPER.")],
    paper: Annotated[str | None, typer.Argument(metavar="PAPER", help="Default: every paper.")] = None,
    figure: Annotated[str | None, typer.Argument(metavar="FIGURE", help="Default: every figure.")] = None,
    effort: Annotated[
        float,
        typer.Option(
            metavar="X", min=0.1, max=100, help="Trajectories relative to the pictures'; from 2 on limit has 18 spins."
        ),
    ] = 1.0,
) -> None:
    """Regenerate a paper's figures and check its numbers; exit code 1 if a check fails.

    thermalization: relaxation, energy-window, entropy, born, collapse-time, hybrid-steady-state, no-signalling,
    size-scaling, single-trajectory, coherence, limit

    lattice-transport: fig2a, fig2b, fig2c, fig2d, fig3, square-lattice, disordered-chain, temperature

    collapse-entropy: fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig8, map, trajectories

    brownian-balance: table, production, eq15, fluctuation-theorem, trajectories

    fermi-heating: table1, fig1, white-gain, coloured-gain, fermions, heating, decoherence
    """
    from stochq.cli.reproduce import reproduce_papers

    with reported():
        passed = reproduce_papers(paper, figure, out, effort)
    if not passed:
        raise typer.Exit(1)


@app.command()
def exclude(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="An experiment: its inputs, in SI units.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the table and the pictures.")] = Path(
        "results"
    ),
) -> None:
    """Bound the collapse rate by an experiment of your own, and draw it among the others."""
    from stochq.cli.exclude import exclude_config

    with reported():
        exclude_config(config, out)


@app.command()
def fit(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="What is fitted: its [fit] table says what of it.")
    ],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A .csv of time, observable, value, stderr; a result; or records.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FIT.json", help="Where the numbers go; the picture beside.")
    ] = None,
) -> None:
    """Fit parameters of a configuration to measured means, or to the records of its detectors.

    Exit code 1 if the model does not describe the data (p below 1e-4) or the search stopped early, 2 for wrong input.
    """
    from stochq.cli.fit import fit_config

    with reported():
        code = fit_config(config, data, out)
    raise typer.Exit(code)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help='Of the model, such as "suv"; or "exclude", or "fit".')],
    path: Annotated[Path | None, typer.Argument(metavar="FILE.toml", help="Default: KIND.toml.")] = None,
) -> None:
    """Write a configuration to start from, with a word on every key.

    KIND: suv, oqt, sui, coloured_suv, csl, csl_lattice, qmupl, diosi_penrose, energy_driven, brownian, unravel,
    monitored, exclude, fit.
    """
    from stochq.cli.new import write_new

    with reported():
        target = write_new(kind, path)
    command = kind if kind in ("exclude", "fit") else "run"
    typer.echo(f"{target}. Try: stochq {command} {target}{' DATA.csv' if command == 'fit' else ''}")


@app.command()
def schema(
    kind: Annotated[Kind, typer.Argument(help="The command whose files are described.")] = Kind.run,
) -> None:
    """Print the JSON schema of configurations, by which editors complete and check them, with a word on every key."""
    from stochq.cli.schema import schema_text

    typer.echo(schema_text(kind.value), nl=False)


@app.command()
def examples(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that the examples are copied to.")],
) -> None:
    """Copy the examples: configurations for `run`, `exclude` and `fit`, and programs that fit and control."""
    from stochq.cli.examples import copy_examples

    with reported():
        copy_examples(folder)


@app.command()
def devices() -> None:
    """What the simulations would run on."""
    from stochq.cli.devices import print_devices

    print_devices()


@app.command()
def doctor() -> None:
    """Run a dozen problems with known answers on every device, in less than a minute; exit code 1 if one fails."""
    from stochq.cli.doctor import examine

    with reported():
        passed = examine()
    if not passed:
        raise typer.Exit(1)
