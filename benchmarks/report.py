"""Measurements as a plain table, as a line while they are made, and as the page's table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import replace_between

START, END = "<!-- throughput:start -->", "<!-- throughput:end -->"
NONE = "–"
HEADERS = (
    "problem",
    "operators",
    "stochq default",
    "stochq Euler",
    "dynamiqs Euler",
    "QuTiP Euler",
    "default",
    "Euler",
    "compile, s",
    "memory, MiB",
)


def duration(nanoseconds: float) -> str:
    """Three digits with a unit.

    >>> duration(14.26), duration(412.3), duration(38_040.0), duration(2.1e6)
    ('14.3 ns', '412 ns', '38.0 µs', '2.10 ms')
    """
    for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds < 999.5 * scale or unit == "ms":
            value = nanoseconds / scale
            return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
    raise AssertionError


def spread(entry: dict[str, Any]) -> str:
    """Median with the smallest and the largest of the repeats, or why there is none."""
    if "cannot" in entry:
        return entry["cannot"]
    low, high = duration(entry["low"]), duration(entry["high"])
    low = low.split()[0] if low.split()[1] == high.split()[1] else low
    return f"{duration(entry['nanoseconds'])} ({low}–{high})"


def times_faster(own: dict[str, Any], other: dict[str, Any]) -> str:
    """How many times faster `own` is, two digits."""
    if "cannot" in own or "cannot" in other:
        return NONE
    ratio = other["nanoseconds"] / own["nanoseconds"]
    return f"{ratio:.{2 if ratio < 0.995 else 1 if ratio < 9.95 else 0}f}x"


def cells(row: dict[str, Any]) -> list[str]:
    """The columns of `HEADERS`; ratios are against dynamiqs, compile and memory are stochq's (and dynamiqs')."""
    default, euler, dynamiqs = row["stochq_default"], row["stochq_euler"], row["dynamiqs"]
    return [
        row["title"],
        f"{row['operators']:,}".replace(",", " "),
        spread(default),
        spread(euler),
        spread(dynamiqs) if "cannot" in dynamiqs else f"{spread(dynamiqs)} {dynamiqs['layout']}",
        spread(row["qutip"]),
        times_faster(default, dynamiqs),
        times_faster(euler, dynamiqs),
        " / ".join(_number(entry, "compile_seconds", 1) for entry in (default, euler, dynamiqs)),
        " / ".join(_number(entry, "peak_mib", 0) for entry in (default, euler, dynamiqs)),
    ]


def _number(entry: dict[str, Any], key: str, digits: int) -> str:
    return f"{entry[key]:.{digits}f}" if key in entry else NONE


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with spaces: the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in (headers, *rows)) for column in range(len(headers))]

    def layout(line: Sequence[str]) -> str:
        others = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return "  ".join([line[0].ljust(widths[0]), *others]).rstrip()

    return "\n".join([layout(headers), "-" * (sum(widths) + 2 * len(widths) - 2), *map(layout, rows)])


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    lines = [headers, ["---"] + ["--:"] * (len(headers) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def heading(machine: dict[str, Any]) -> str:
    """Processor, versions, date and load, and a warning where the processor is not ours alone."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {machine['date']}", versions]
    if machine["load"] > 0.25 * machine["cores"]:
        lines.append("Other work is running on this machine: the times below are too long.")
    return "\n".join(lines)


def others(load: float, cores: int) -> str:
    """A sentence on work that was not ours; the load counts what ran in the minute before."""
    return f" Other work ran on the machine (load up to {load:.1f})." if load > 0.25 * cores else ""


def line(row: dict[str, Any]) -> str:
    """A row while the run goes on."""
    named = zip(HEADERS[2:6], cells(row)[2:6], strict=True)
    return f"{row['title']}: " + "; ".join(f"{name} {value}" for name, value in named)


def verdicts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Every figure to be reached, met or not."""
    return [
        f"{'reached' if check['passed'] else 'NOT REACHED'}  {row['title']}: {check['name']} {check['value']:.4g} "
        f"(at {'least' if check['at_least'] else 'most'} {check['bound']:g})"
        for row in rows
        for check in row["checks"]
    ]


def text(results: dict[str, Any]) -> str:
    """The whole report for a terminal."""
    rows = results["rows"]
    schemes = sorted({row["stochq_default"].get("scheme", NONE) for row in rows})
    note = (
        f"Time per trajectory and step: median (smallest to largest of the repeats). Default scheme: "
        f"{', '.join(schemes)}.\n'default' and 'Euler': how many times faster than dynamiqs. "
        "Compile and memory: stochq default / stochq Euler / dynamiqs."
    )
    listed = verdicts(rows)
    missed = sum(entry.startswith("NOT") for entry in listed)
    summary = f"{len(listed) - missed} of {len(listed)} figures reached in {results['machine']['seconds']} s."
    return "\n".join([table(HEADERS, [cells(row) for row in rows]), note, "", *listed, "", summary])


def page_table(results: dict[str, Any]) -> str:
    """What stands between the page's marks."""
    machine = results["machine"]
    versions = machine["versions"]
    headers = (
        "problem",
        "operators",
        "stochq",
        "stochq, Euler",
        "dynamiqs, Euler",
        "QuTiP, Euler",
        "faster",
        *HEADERS[8:],
    )
    rows = []
    for row in results["rows"]:
        times = [_time(row[key]) for key in ("stochq_default", "stochq_euler", "dynamiqs", "qutip")]
        rows.append([row["title"], f"{row['operators']:,}".replace(",", " "), *times, *cells(row)[7:]])
    schemes = sorted({row["stochq_default"].get("scheme", NONE) for row in results["rows"]})
    note = (
        f"Medians on {machine['cpu']}, {machine['cores']} cores, {machine['date'][:10]}; single precision; compilation "
        f"apart. stochq {versions['stochq']} with its default scheme ({', '.join(schemes)}, weak order 2) and with "
        f"Euler–Maruyama (normalised), dynamiqs {versions['dynamiqs']}, QuTiP {versions['qutip']} (double precision); "
        f"jax {versions['jax']}. Faster: than dynamiqs, Euler against Euler. Compile time and peak memory: stochq "
        "default / stochq Euler / dynamiqs, each in a fresh process."
    ) + others(machine["load"], machine["cores"])
    return f"{markdown(headers, rows)}\n\n{note}"


def _time(entry: dict[str, Any]) -> str:
    return duration(entry["nanoseconds"]) if "nanoseconds" in entry else NONE


def update_page(path: Path, results: dict[str, Any]) -> str:
    """Put the table between the marks of a file; says what was done."""
    return replace_between(path, START, END, page_table(results))
