"""Gaussian states in phase space: an ellipse of one standard deviation for each."""

from typing import TYPE_CHECKING

import numpy as np

from stochq.plotting.look import BLACK, BLUE, figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from stochq.gaussian import State

_POINTS = 100
# So many ellipses are drawn along a path of many states.
_MOST_ELLIPSES = 12


def phase_space(state: "State", *, mode: int = 0) -> "Figure":
    """The mean of a mode and the ellipse of its Wigner function at one standard deviation; of many states the path.

    Args:
        state: one Gaussian state, or many along one leading axis, as `sq.gaussian.Dynamics.evolve` returns them.
        mode: which one.

    Raises:
        ValueError: for a mode that the state has not, or more than one leading axis.
    """
    if not 0 <= mode < state.modes:
        raise ValueError(f"mode: expected one of {state.modes}, counted from 0; got {mode!r}.")
    mean, covariance = np.atleast_2d(np.asarray(state.mean)), np.asarray(state.covariance)
    if mean.ndim > 2:
        raise ValueError(f"state: expected one state or one row of them; got shape {mean.shape[:-1]}. Index it.")
    both = np.array([mode, mode + state.modes])
    mean, blocks = mean[:, both], covariance.reshape(len(mean), *covariance.shape[-2:])[:, both[:, None], both]
    with style():
        made, ((panel,),) = figure()
        if len(mean) > 1:
            panel.plot(*mean.T, color=BLACK, linewidth=0.8)
        shown = np.unique(np.linspace(0, len(mean) - 1, _MOST_ELLIPSES).round().astype(int))
        for k in shown:
            panel.plot(*ellipse(mean[k], blocks[k]).T, color=BLUE, linestyle="-", alpha=0.3 + 0.7 * (k == shown[-1]))
        panel.plot(*mean[-1], color=BLUE, marker="o")
        panel.set(xlabel="$q$", ylabel="$p$", aspect="equal")
        panel.margins(0.05)
    return made


def ellipse(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Points (n, 2) at one standard deviation from the mean in every direction."""
    angle = np.linspace(0.0, 2 * np.pi, _POINTS)
    values, vectors = np.linalg.eigh(covariance)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return mean + (vectors * np.sqrt(np.maximum(values, 0.0)) @ circle).T
