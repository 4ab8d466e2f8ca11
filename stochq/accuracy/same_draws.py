"""Whether two devices, or two programs, make the same trajectories of the same random numbers."""

from typing import Any

import numpy as np

# States of single precision, in which a drawn index flips where rounding decides.
LARGEST_MEDIAN, FAR, LARGEST_SHARE = 1e-5, 1e-3, 0.01


def difference(states: np.ndarray, others: np.ndarray) -> dict[str, Any]:
    """Of states (dim, trajectories) of the same trajectories: median of the largest differences of an amplitude, the
    share that is far off, how many are no numbers, and whether that is agreement."""
    off = np.abs(states - others).max(axis=0)
    lost = int(np.isnan(off).sum())
    median, far = float(np.median(off)), float(np.mean(off > FAR))
    agrees = lost == 0 and median <= LARGEST_MEDIAN and far <= LARGEST_SHARE
    return {"median": median, "far": far, "not finite": lost, "agrees": agrees}
