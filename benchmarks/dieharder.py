"""The raw words through dieharder (Brown, Eddelbuettel and Bauer), where it is installed: tests that others wrote."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.randomness import DIRECTIONS, LEVEL, holm, pieces
from benchmarks.results import save
from benchmarks.word_tests import two_sided

# Its numbers of the tests that take seconds: birthdays, ranks 32x32 and 6x8, count of ones, parking lot, spheres,
# squeeze, runs, craps, monobit, STS runs and serial, byte distribution, discrete cosine transform, monobit2.
NUMBERS = (0, 2, 3, 8, 9, 10, 11, 12, 13, 15, 16, 100, 101, 102, 205, 206, 209)
# Raw words from standard input.
_STANDARD_INPUT = "200"


# More words than any of them takes; each direction has so many counters.
WORDS = 2**32


def dieharder() -> None:
    """Run the tests along every direction, print one table, and write benchmarks/results/dieharder.json."""
    if shutil.which("dieharder") is None:
        raise SystemExit("dieharder is not installed; `python -m benchmarks randomness` needs nothing else.")
    begun = time.perf_counter()
    where = machine.describe()
    print(report.heading(where), flush=True)
    found = {name: p_values(pieces(make, WORDS)) for name, make in DIRECTIONS.items()}
    names = list(next(iter(found.values())))
    print(report.table(("p-value", *found), [[name, *(f"{found[key][name]:.3g}" for key in found)] for name in names]))
    adjusted = holm([two_sided(value) for values in found.values() for value in values.values()])
    seconds = round(time.perf_counter() - begun)
    results: dict[str, Any] = {"machine": where | {"seconds": seconds}, "level": LEVEL, "p_values": found}
    results["smallest_adjusted"] = float(adjusted.min())
    failed = int(np.sum(adjusted < LEVEL))
    print(f"{adjusted.size} p-values in {seconds} s, two-sided, Holm's rule at {LEVEL:g}: {failed} failed; ", end="")
    print(f"the smallest after correction is {adjusted.min():.2g}")
    save(results, "dieharder")


def p_values(stream: Iterator[np.ndarray]) -> dict[str, float]:
    """{test: p-value}; each test goes on where the one before it stopped."""
    found: dict[str, float] = {}
    for number in NUMBERS:
        columns = ("-D", "test_name", "-D", "ntuple", "-D", "pvalues")
        command = ["dieharder", "-g", _STANDARD_INPUT, "-d", str(number), *columns]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdin is not None and process.stdout is not None
        try:
            while process.poll() is None:
                process.stdin.write(next(stream).tobytes())
        except BrokenPipeError:
            pass
        output = process.stdout.read().decode()
        process.wait()
        found |= parse(output)
    return found


def parse(output: str) -> dict[str, float]:
    """{test: p-value} of its lines `name|size|p-value|`.

    >>> parse("   diehard_runs|   0|0.25000000|\\n    sts_serial|  2|0.5|")
    {'diehard_runs': 0.25, 'sts_serial 2': 0.5}
    """
    found: dict[str, float] = {}
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3 or not cells[1].isdigit():
            continue
        name = cells[0] if cells[1] == "0" else f"{cells[0]} {cells[1]}"
        while name in found:
            name += "'"
        found[name] = float(cells[2])
    return found
