"""`stochq run --report`: one HTML file that tells what was simulated, what came out and how it is made again."""

import base64
import hashlib
import html
import logging
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

from matplotlib.figure import Figure

from stochq.cli.config import Config
from stochq.cli.report import Judged, reached
from stochq.ensemble.result import EnsembleResult
from stochq.files import check_replaceable, replace_file
from stochq.plotting.notebook import png_of

ENDINGS = (".html", ".htm")
MARK = '<meta name="generator" content="stochq run --report">'
DPI = 110
VERSIONS = ("stochq", "jax", "jaxlib", "numpy", "scipy")
# Of what a run tells, what a result does not hold.
CHOICES = ("cost expected", "final states")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222;
  background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
img { max-width: 100% } pre { background: #f5f5f5; padding: .8rem; overflow-x: auto }
table { border-collapse: collapse } td, th { padding: .15rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } .bad { color: #b00020; font-weight: 600 }
"""


@final
class Told(logging.Handler):
    """Keeps what a run tells: events with their words."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((getattr(record, "event", ""), record.levelno, record.getMessage()))

    def choices(self) -> list[str]:
        """What was chosen, and why."""
        return list(dict.fromkeys(text for event, _, text in self.said if event in CHOICES))

    def warnings(self) -> list[str]:
        """What was warned of."""
        return list(dict.fromkeys(text for _, level, text in self.said if level >= logging.WARNING))


@dataclass(frozen=True)
class Report:
    """What a report is made of.

    Args:
        path, config: the configuration.
        command: what makes the same again.
        changes: options that changed keys of the configuration.
        judged: the table of means and the verdict.
        told: what the run told meanwhile.
        notes: lines on the system.
        pictures: each with what it shows.
    """

    path: Path
    config: Config
    command: str
    changes: Sequence[str]
    judged: Judged
    told: Told
    notes: Sequence[str]
    pictures: Sequence[tuple[str, Figure]]


def check_report(path: Path) -> Path:
    """Where a report can be written. Raises: OSError, ValueError for a name, a folder or a file that will not do."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"--report: expected a name that ends in {' or '.join(ENDINGS)}; got {path}.")
    return check_replaceable(path, "report", _is_report)


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(4096)


def write_report(path: Path, report: Report, result: EnsembleResult) -> None:
    """Write a report. Raises: OSError if it cannot be written."""
    text = page(report, result)
    replace_file(check_report(path), lambda file: file.write_text(text, encoding="utf-8"))


def page(report: Report, result: EnsembleResult) -> str:
    """The HTML of a report, without scripts and without anything that lies elsewhere."""
    title, judged, told = html.escape(report.config.title or report.path.stem), report.judged, report.told
    file = report.path.read_text(encoding="utf-8-sig")
    failed = f"{result.failed} of {result.trajectories} trajectories became non-finite and are left out."
    warned = [*told.warnings(), *([failed] if result.failed else [])]
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{MARK}',
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        "" if judged.agrees else '<p class="bad">The ensemble differs from the master equation.</p>',
        _items([f"{result.trajectories:,} trajectories, {len(result.times)} times", reached(result), *judged.lines]),
        "<h2>Warnings</h2>",
        _items(warned, "bad") if warned else "<p>None. No trajectory failed.</p>",
        "<h2>Means</h2>",
        *(_picture(text, figure) for text, figure in report.pictures),
        _table(judged.headings, judged.rows),
        "<h2>What was chosen, and why</h2>",
        _items([*report.notes, *told.choices(), *_settings(result)]),
        "<h2>How to make it again</h2>",
        f"<pre>{html.escape(report.command)}</pre>",
        _items(_versions(result)),
        "<h2>Configuration</h2>",
        _items([f"On the command line: {change}" for change in report.changes]),
        f"<pre>{html.escape(file)}</pre>",
        f"<p>SHA-256 of the file: <code>{hashlib.sha256(file.encode()).hexdigest()}</code></p>",
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _settings(result: EnsembleResult) -> list[str]:
    """How the run was made, from the result."""
    unit, info = result.info.get("unit:time", ""), result.info
    ranges = "; ".join(f"seed {seed}, trajectories {start} to {stop - 1}" for seed, start, stop in result.ranges)
    lines = [
        f"Step: dt = {result.dt:g} {unit}".rstrip() + (f" ({info['dt_reason']})" if info.get("dt_reason") else ""),
        f"Scheme: {result.scheme}",
        f"Precision: {result.precision}",
        f"Random numbers: {ranges}",
    ]
    lines += [f"Law of the noise: {info['law']}"] if info.get("law") else []
    return lines


def _versions(result: EnsembleResult) -> list[str]:
    found = [f"{name} {_version(name)}" for name in VERSIONS]
    devices = ", ".join(map(str, result.info.get("devices", []))) or str(result.info.get("device", ""))
    seconds = float(result.info.get("seconds", 0.0))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        f"{', '.join(found)}; Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        f"Devices: {devices}; {seconds:.3g} s",
        f"Written {made}",
    ]


def _version(name: str) -> str:
    if name == "stochq":
        import stochq

        return stochq.__version__
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"


def _picture(text: str, figure: Figure) -> str:
    data = base64.b64encode(png_of(figure, DPI)).decode()
    return f'<figure><img alt="{html.escape(text)}" src="data:image/png;base64,{data}"></figure>'


def _items(lines: Iterable[str], kind: str = "") -> str:
    shown = "".join(f"<li>{html.escape(line)}</li>" for line in lines if line)
    return f'<ul class="{kind}">{shown}</ul>' if shown else ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
