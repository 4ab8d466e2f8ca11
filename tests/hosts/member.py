"""One of several processes that make runs together, as a user's script would: tests.hosts.member 0/2 PORT DIR."""

import sys
from pathlib import Path

import jax

from tests.digests import digest

TRAJECTORIES, EARLIER = 9316, 4096


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
