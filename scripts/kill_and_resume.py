"""Kill runs at random moments, let them go on, and compare every number with those of a run that was not killed.

Some kills wait until the run has written something of its own, some until a checkpoint is being written. Results are
compared by a digest of all their arrays.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import stochq as sq
from stochq.ensemble.checkpoint.content import unpacked
from tests.digests import digest

STATE, TIMES = np.array([0.6, 0.8]), np.linspace(0.0, 1.0, 21)
EARLY = TIMES[:11]


def simulate(kind, path=None):
    """A run of some seconds of one of the kinds."""
    qubit = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    options = {"observables": {"p": [1.0, 0.0], "a": np.array([[0, 1], [0, 0]])}, "dt": 0.005, "trajectories": 300_000}
    if kind in ("everything", "later times of everything"):
        edges = np.linspace(0, 1, 9)
        more = {"rho": sq.Density(), "bins": sq.Histogram([1.0, 0.0], edges), **options["observables"]}
        options |= {"observables": more, "records": True, "keep": 20, "trajectories": 100_000}
    if kind == "clicks":
        lower = np.array([[0.0, 1.0], [0.0, 0.0]])
        qubit = sq.models.monitored(sq.systems.levels([0.0, 1.0]), {"n": sq.measurement.counting(lower)})
        options |= {"dt": None, "records": True, "trajectories": 200_000}
    if kind == "tolerance":
        options |= {"tolerance": 0.0012, "trajectories": 10**7}
    if kind == "tolerance, step left open":
        options |= {
            "tolerance": 0.0025,
            "trajectories": 10**7,
            "dt": None,
            "observables": {"p": lambda psi: abs(psi[0]) ** 4},
        }
    if kind == "pairs given up":
        even = {"v": lambda psi: abs(psi[0]) ** 2 * abs(psi[1]) ** 2}
        options |= {"observables": even, "tolerance": 0.001, "trajectories": 10**7, "dt": 0.0025}
    if kind == "later times to a tolerance":
        options |= {"tolerance": 0.004, "trajectories": 10**6}
    if kind == "later times":
        options |= {"trajectories": 100_000}
    if kind.startswith("later times"):
        options |= {"store_final_states": True}
        if path is not None and not is_prolonged(path):
            sq.simulate(qubit, STATE, EARLY, seed=7, checkpoint=path, progress=False, **options)
        # A run that is made at once stores its final states as well, to round alike.
        path = Path(tempfile.mkdtemp()) / "run.checkpoint" if path is None else path
    return sq.simulate(qubit, STATE, TIMES, seed=7, checkpoint=path, progress=False, **options)


def is_prolonged(path):
    """Whether the run to later times has written something."""
    stages = unpacked(path.read_bytes(), path)["stages"] if path.exists() else []
    return bool(stages and stages[0]["parts"]) and len(stages[0]["parts"][0][5]["mean of values"].mean) > len(EARLY)


KINDS = (
    "means",
    "everything",
    "clicks",
    "tolerance",
    "tolerance, step left open",
    "pairs given up",
    "later times",
    "later times of everything",
    "later times to a tolerance",
)


def begun(kind, folder, checkpoint=True):
    """A process that runs and leaves its digest. It is forked before this one has computed anything."""
    child = os.fork()
    if child == 0:
        result = simulate(kind, folder / "run.checkpoint" if checkpoint else None)
        (folder / "digest").write_text(f"{digest(result)} {result.trajectories}")
        os._exit(0)
    return child


def finished(child):
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a run that was not killed failed")


def killed(child, folder, after, advancing, while_writing):
    """Whether it was killed, before its end; and whether in a write."""
    path, begin = folder / "run.checkpoint", time.monotonic()
    before = path.stat().st_mtime_ns if path.exists() else 0
    while advancing and not (folder / "digest").exists() and time.monotonic() < begin + 20:
        if path.exists() and path.stat().st_mtime_ns != before:
            break
        time.sleep(0.001)
    begin = time.monotonic()
    while time.monotonic() < begin + after and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(0.001)
    if (folder / "digest").exists():
        return False, False
    seen, patience = False, time.monotonic() + 20
    while while_writing and not seen and time.monotonic() < patience and not (folder / "digest").exists():
        seen = any(folder.glob(".stochq-*.partial"))
    try:
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    except (ProcessLookupError, ChildProcessError):
        return False, False
    return os.WIFSIGNALED(status), seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="of the runs; default all")
    asked = parser.parse_args()
    chance, counts, kinds = random.Random(asked.seed), Counter(), asked.kind or KINDS
    home = Path(tempfile.mkdtemp())
    known = {}
    for kind in kinds:
        (folder := home / "reference").mkdir()
        for _ in range(2):  # the first one compiles
            start = time.monotonic()
            finished(begun(kind, folder, checkpoint=False))
            known[kind] = (folder / "digest").read_text(), time.monotonic() - start
        shutil.rmtree(folder)
        print(f"{kind}: {known[kind][0].split()[1]} trajectories, {known[kind][1]:.1f} s", flush=True)
    while counts["kills"] < asked.kills:
        kind = kinds[counts["runs"] % len(kinds)]
        expected, seconds = known[kind]
        (folder := home / "run").mkdir()
        for _ in range(chance.randint(1, 5)):
            child = begun(kind, folder)
            advancing, while_writing = chance.random() < 0.6, chance.random() < 0.3
            after = chance.uniform(0, 0.3 * seconds if advancing else seconds)
            was_killed, writing = killed(child, folder, after, advancing, while_writing)
            if not was_killed:
                break
            counts["kills"] += 1
            counts["in a write"] += writing
            path = folder / "run.checkpoint"
            counts["with a checkpoint"] += path.exists()
            if path.exists():
                unpacked(path.read_bytes(), path)
        if not (folder / "digest").exists():
            finished(begun(kind, folder))
        counts["runs"] += 1
        counts["equal"] += (folder / "digest").read_text() == expected
        counts["leftovers"] += len(list(folder.glob(".*")))
        shutil.rmtree(folder)
        print(f"{counts['kills']} kills, {counts['runs']} runs, {counts['equal']} equal", flush=True)
    shutil.rmtree(home)
    print(
        f"{counts['kills']} kills, {counts['in a write']} of them while a checkpoint was written, "
        f"{counts['with a checkpoint']} with one on the disk; {counts['equal']} of {counts['runs']} runs that went "
        f"on are equal to the last bit; {counts['leftovers']} files left over"
    )
    sys.exit(counts["equal"] != counts["runs"] or counts["leftovers"] > 0)


if __name__ == "__main__":
    main()
