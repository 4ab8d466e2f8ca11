"""What the pictures of a result take by name."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from stochq.aliases import ArrayLike

if TYPE_CHECKING:
    from stochq.inference.filtering import Filtered


class PlotOptions(TypedDict, total=False):
    """Of `stochq.plotting.plot_result`."""

    names: Sequence[str] | None
    trajectories: Mapping[str, np.ndarray] | None
    residuals: bool


class TrajectoryOptions(TypedDict, total=False):
    """Of `stochq.plotting.plot_trajectory`."""

    filtered: "Filtered | None"
    names: Sequence[str] | None
    places: ArrayLike | None
