"""One number for all that a result holds, by which runs are compared to the last bit, across processes."""

import hashlib

import numpy as np

FIELDS = (
    "mean", "stderr", "variance", "bias", "skewness", "kurtosis", "covariance", "density", "histograms", "statistics",
    "kept", "kept_values", "clicks", "ranges", "failed", "trajectories", "dt", "parts",
)  # fmt: skip


def digest(result):
    """Of every number of a result but the seconds that it took."""
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
