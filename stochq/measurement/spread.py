"""Whether the numbers of a record are increments, or the currents that one divides them into."""

import warnings

import numpy as np

from stochq.callers import users_line

# So many increments whose spread is further from √length than this factor are likely to be currents.
_UNLIKELY_SPREAD, _ENOUGH = 3.0, 30


def warn_of_currents(increments: np.ndarray, widths: np.ndarray, signal: float) -> None:
    """A warning where increments do not have the spread √width, apart from what the signal adds.

    increments: (T, K, R) of unit noise. widths: (T,). signal: the most that a mean current is, 1/√time.
    """
    if np.size(increments) < _ENOUGH:
        return
    spread = np.sqrt(np.mean(np.asarray(increments) ** 2, axis=-1) / widths[:, None])
    typical = float(np.sqrt(np.mean(spread**2)))
    if not 1 / _UNLIKELY_SPREAD < typical < _UNLIKELY_SPREAD * (1 + signal * np.sqrt(widths.max())):
        warnings.warn(
            f"record: expected increments with a spread near the root of the interval; theirs is {typical:.3g} times "
            "that. Give currents through Record.from_current, and what the electronics do as gain of the detector.",
            stacklevel=users_line(),
        )
