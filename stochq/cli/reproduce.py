"""`stochq reproduce`: the papers' figures, regenerated and checked."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stochq.cli.errors import ConfigError, nearest, report


def reproduce_papers(paper: str | None, figure: str | None, out: Path) -> bool:
    """Regenerate one paper or all of them into `out` and print the checks; True if every one passed.

    Raises: ConfigError for a paper that is not known.
    """
    papers: Mapping[str, Any] = importlib.import_module("stochq.papers").PAPERS
    if paper is not None and paper not in papers:
        known = ", ".join(papers)
        raise ConfigError(report("PAPER", "", f"one of {known}{nearest(paper, papers)}", repr(paper)))
    out.mkdir(parents=True, exist_ok=True)
    checks = [(name, check) for name in papers if paper in (None, name) for check in papers[name](out, figure)]
    _print_checks(checks)
    print(f"Tables and figures: {out}")
    return all(check.passed for _, check in checks)


def _print_checks(checks: list[tuple[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Checks")
    for heading in ("paper", "check"):
        table.add_column(heading)
    for heading in ("value", "reference", "tolerance"):
        table.add_column(heading, justify="right")
    table.add_column("passed")
    for paper, check in checks:
        numbers = [f"{float(number):.6g}" for number in (check.value, check.reference, check.tolerance)]
        table.add_row(paper, check.name, *numbers, "yes" if check.passed else "[bold red]NO[/]")
    Console().print(table)
    failed = sum(not check.passed for _, check in checks)
    print(f"{len(checks) - failed} of {len(checks)} checks passed")
