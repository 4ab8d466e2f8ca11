"""Ensembles made of known values, without a simulation."""

import numpy as np

from stochq.ensemble.result import EnsembleResult


def ensemble_of(values: np.ndarray, times: np.ndarray, **changes) -> EnsembleResult:
    """Of values (trajectory, time) of an observable "n", exact at the first time."""
    count, points = values.shape
    known = {
        "times": times,
        "mean": {"n": values.mean(axis=0)},
        "stderr": {"n": values.std(axis=0, ddof=1) / np.sqrt(count)},
        "variance": {"n": values.var(axis=0, ddof=1)},
        "trajectories": count,
        "failed": 0,
        "seed": 0,
        "scheme": "",
        "dt": 0.1,
        "precision": "double",
        "fingerprint": {},
        "ranges": [],
        "covariance": np.cov(values[:, 1:].T),
        "covariance_points": [("n", index) for index in range(1, points)],
        "kurtosis": {"n": kurtosis(values)},
    }
    return EnsembleResult(**{**known, **changes})


def kurtosis(values: np.ndarray) -> np.ndarray:
    """In excess (time,), 0 where nothing fluctuates but for rounding."""
    away = values - values.mean(axis=0)
    squares = np.mean(away**2, axis=0)
    still = squares < 1e-20
    return np.where(still, 0.0, np.mean(away**4, axis=0) / np.where(still, 1.0, squares) ** 2 - 3)
