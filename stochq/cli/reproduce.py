"""`stochq reproduce`: the papers' figures, regenerated and checked."""

import importlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochq.cli.errors import ConfigError, nearest, report
from stochq.papers.checks import Check

if TYPE_CHECKING:
    from rich.table import Table


def reproduce_papers(paper: str | None, figure: str | None, out: Path, effort: float = 1.0) -> bool:
    """Regenerate one paper or all of them, each into the folder OUT/PAPER, printing the checks; True if all passed.

    effort: trajectories relative to what the published pictures take.

    Raises:
        ConfigError: for a paper that is not known.
    """
    from rich.console import Console

    papers: Mapping[str, Any] = importlib.import_module("stochq.papers").PAPERS
    if paper is not None and paper not in papers:
        known = ", ".join(papers)
        raise ConfigError(report("PAPER", "", f"one of {known}{nearest(paper, papers)}", repr(paper)))
    console = Console()
    passed = True
    for name in papers if paper is None else [paper]:
        start = time.perf_counter()
        with Console(stderr=True).status(f"{name}: computing"):
            checks = papers[name](out, figure, effort)
        console.print(_table(name, checks))
        failed = sum(not check.passed for check in checks)
        print(f"{len(checks) - failed} of {len(checks)} checks passed in {time.perf_counter() - start:.0f} s")
        print(f"Tables and figures: {out / name}")
        passed = passed and not failed
    return passed


def _table(paper: str, checks: list[Check]) -> "Table":
    from rich.table import Table

    table = Table(title=paper)
    table.add_column("check")
    for heading in ("value", "reference", "tolerance"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("passed")
    for check in checks:
        numbers = [f"{float(number):.6g}" for number in (check.value, check.reference, check.tolerance)]
        table.add_row(check.name, *numbers, "yes" if check.passed else "[bold red]NO[/]")
    return table
