"""Feed the readers of configurations, results and checkpoints with mutated files, led by the code that these reach.

Every input that ends in another way than as `tests.fuzz.readers` allows is kept beside the report. A process for each
reader is started again where an input ended it.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
REPORT = ROOT / "benchmarks" / "results" / "fuzzing.json"
# What guides the mutations: the code that reads files, not the libraries under it.
GUIDES = [
    *(f"stochq.cli.{name}" for name in ("config", "errors", "fields", "models", "systems", "states", "experiment")),
    *(f"stochq.cli.{name}" for name in ("colours", "detectors", "drives")),
    *("stochq.io", "stochq.ensemble.checkpoint", "tomllib"),
]
SECONDS, MEGABYTES = 60, 6000
# Inputs between two reports of a process.
PACE = 500


def parser() -> argparse.ArgumentParser:
    """The options; `--child` is a process for one reader."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=1_000_000, help="in all; another number is not written")
    options.add_argument("--only", metavar="READER", help="configuration, checkpoint or result; not written")
    options.add_argument("--keep", type=Path, help="a folder for inputs that failed; default: a temporary one")
    options.add_argument("--child", metavar="READER", help=argparse.SUPPRESS)
    return options


def child(name: str, inputs: int, folder: Path) -> None:
    """Feed one reader; counts and faults go to a report in the folder."""
    import atheris
    import numpy as np

    with atheris.instrument_imports(include=GUIDES):
        from tests.fuzz import readers
    reader, counts, faults = readers.READERS[name], collections.Counter(), {}
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(content)

    def report() -> None:
        aside = folder / "report.aside"
        aside.write_text(json.dumps({"counts": counts, "faults": faults}))
        aside.replace(folder / "report.json")

    def one(data: bytes) -> None:
        counts["inputs"] += 1
        try:
            counts[reader.read(data)] += 1
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            known = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}: {error}"[:200]
            if counts["faults"] < 100:
                (folder / f"fault-{counts['faults']}").write_bytes(data)
                faults[known] = faults.get(known, 0) + 1
            counts["faults"] += 1
        if counts["inputs"] % PACE == 0 or counts["inputs"] >= inputs:
            report()

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        """As libFuzzer does; every other time the tables of a configuration, or what follows the head of a file."""
        altered = readers.altered_tables(data, np.random.default_rng(seed)) if seed % 2 else None
        if altered is not None and len(altered) <= longest:
            return altered
        head = data[: reader.head if seed % 2 else 0]
        return head + atheris.Mutate(data[len(head) :], longest - len(head))

    options = [f"-runs={inputs}", f"-max_len={reader.longest}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}",
               f"-artifact_prefix={folder}/", "-seed=1", "-len_control=0", str(corpus)]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


def fuzz(name: str, inputs: int, folder: Path) -> dict[str, object]:
    """A reader's row: what came of its inputs."""
    counts, faults, crashes, begun = collections.Counter(), collections.Counter(), 0, time.monotonic()
    reached = 0
    while counts["inputs"] < inputs:
        (folder / "report.json").unlink(missing_ok=True)
        left = inputs - counts["inputs"]
        command = [sys.executable, __file__, "--child", name, "--inputs", str(left), "--keep", str(folder)]
        with (folder / "log").open("w") as log:
            ended = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False).returncode
        text = (folder / "log").read_text(errors="replace")
        reached = max([reached, *map(int, re.findall(r"cov: (\d+)", text))])
        crashes += ended != 0
        if not (folder / "report.json").exists():
            raise SystemExit(f"{name}: no input was read:\n{text[-3000:]}")
        seen = json.loads((folder / "report.json").read_text())
        counts.update(seen["counts"])
        faults.update(seen["faults"])
    seconds = round(time.monotonic() - begun)
    return {"reader": name, **counts, "faults": counts["faults"], "crashes": crashes, "edges reached": reached,
            "seconds": seconds, "kinds of faults": dict(faults)}  # fmt: skip


def main() -> int:
    """Run all readers, print what came of it, and write benchmarks/results/fuzzing.json."""
    settings = parser().parse_args()
    if settings.child:
        child(settings.child, settings.inputs, settings.keep)
        return 0
    from benchmarks import machine, report
    from tests.fuzz.readers import READERS

    kept = settings.keep or Path(tempfile.mkdtemp(prefix="stochq-fuzz-"))
    rows = []
    for name, reader in READERS.items():
        if settings.only not in (None, name):
            continue
        folder = kept / name
        folder.mkdir(parents=True, exist_ok=True)
        rows.append(fuzz(name, settings.inputs if settings.only else round(settings.inputs * reader.share), folder))
        print(rows[-1], flush=True)
    shown = ("reader", "inputs", "read", "refused", "faults", "crashes", "edges reached", "seconds")
    print(report.table(shown, [[str(row.get(key, 0)) for key in shown] for row in rows]))
    if settings.only is None and settings.inputs == parser().get_default("inputs"):
        REPORT.write_text(json.dumps({"machine": machine.describe(), "rows": rows}, indent=1) + "\n")
    else:
        print(f"Inputs that failed: {kept}")
    return int(any(row["faults"] or row["crashes"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
