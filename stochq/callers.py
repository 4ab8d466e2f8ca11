"""Which line of the user's a warning points to."""

import sys
from types import FrameType

# Whose functions stand between a user's call and the warning.
_BETWEEN = {"stochq", "jax", "equinox", "jaxtyping"}


def users_line() -> int:
    """The stacklevel at which `warnings.warn`, called by who asks, points to the innermost line outside of stochq.

    A fixed number would point into stochq wherever one public function calls another.

    >>> users_line() > 1
    True
    """
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame = frame.f_back
        level += 1
    return level
