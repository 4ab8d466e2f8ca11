"""One of several processes that make runs together, as a user's script would: tests.hosts.member 0/2 PORT DIR."""

import hashlib
import sys
from pathlib import Path

import jax
import numpy as np

TRAJECTORIES, EARLIER = 9316, 4096
FIELDS = (
    "mean", "variance", "stderr", "covariance", "density", "histograms", "clicks", "kept", "kept_values", "statistics",
    "trajectories", "failed", "ranges", "dt", "bias",
)  # fmt: skip


def digest(result):
    """Of all that a result holds but what tells of its making."""
    done = hashlib.sha256()

    def add(value):
        if isinstance(value, dict):
            value = list(value.items())
        if hasattr(value, "trajectory"):
            value = [value.trajectory, value.time]
        if isinstance(value, (list, tuple)):
            for part in value:
                add(part)
        else:
            done.update(str(value).encode() if value is None or isinstance(value, str) else np.asarray(value).tobytes())

    for field in FIELDS:
        add(getattr(result, field))
    add(None if result.records is None else result.records.increments)
    return done.hexdigest()


def main(which, port, folder):
    """Prints a digest for each kind of run; of the first, what two hosts have left in a checkpoint is there as well."""
    index, count = map(int, which.split("/"))
    jax.distributed.initialize(f"localhost:{port}", count, index)
    # Not before: what the tests build there computes.
    from tests.ensemble.test_checkpoint import KINDS, run

    path = Path(folder) / f"{index}.checkpoint"
    run(EARLIER, "everything", checkpoint=path)
    for kind in KINDS:
        result = run(TRAJECTORIES, kind)
        assert len(result.info["hosts"]) == count
        print(kind, digest(result), flush=True)
    # Another seed on each: refused on all, and no reason to wait for anybody.
    try:
        run(TRAJECTORIES, "clicks", seed=index)
    except (ValueError, RuntimeError) as error:
        print(error, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
