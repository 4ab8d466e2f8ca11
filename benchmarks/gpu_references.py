"""What a process on a processor writes for the rows of a card, and how these wait for it."""

import time
from pathlib import Path

import numpy as np

# The file that tells that the process which makes references has ended; what a row says that waits for one of them.
ENDED, WAITS, WAITED = "ended", "waits for a processor", "no longer waits"
# The key of what it says where it failed; how often one looks whether it is done.
FAILED, _NAP_SECONDS = "failed", 0.05


def found_by_processor(path: Path) -> dict[str, np.ndarray]:
    """What `reference` found, once the process that calls it has written it.

    Raises: RuntimeError where it failed, or ended before.
    """
    while not path.exists():
        # It may have written the file just before its end.
        if path.with_name(ENDED).exists() and not path.exists():
            raise RuntimeError("on a processor: the process ended before this problem")
        time.sleep(_NAP_SECONDS)
    with np.load(path) as file:
        found = dict(file)
    if FAILED in found:
        raise RuntimeError(f"on a processor: {found[FAILED]}")
    return found
