"""What the figures share: the start, the targets, the integrated equations of the paper, and drawing."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.arrays import ArrayLike, Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIME = r"time $\tau=\omega t$"
# Units of columns; q and p are in units of √(ħ/mω) and √(mħω), so that covariances are in units of ħ.
PRECISIONS = dict.fromkeys("abc", "1/ħ")
COVARIANCES = dict.fromkeys(("sigma_qq", "sigma_pp", "sigma_qp"), "ħ")
# The paper starts from V = 1.01, where the vacuum has 1.
SPREAD = 1.01
# Rounding of the exponentials and of the integrated equations they are compared with.
ROUNDING, INTEGRATED = 1e-11, 1e-9


def start() -> sq.gaussian.State:
    """The thermal state with 1/a = 1/b = 1.01."""
    return target(1.0)


def target(multiple: float) -> sq.gaussian.State:
    """The thermal state with 1/a = 1/b = 1.01 k."""
    return sq.gaussian.thermal(multiple * SPREAD / 2 - 0.5)


def evolved(
    diffusion: float, friction: float, times: Times, state: sq.gaussian.State | None = None
) -> sq.gaussian.State:
    """CSL (friction 0) or dissipative CSL; what becomes unphysical is reported by the figures and not warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sq.gaussian.UnphysicalStateWarning)
        return sq.gaussian.csl_oscillator(diffusion, friction).evolve(start() if state is None else state, times)


def integrated(diffusion: float, friction: float, times: np.ndarray) -> np.ndarray:
    """a, b, c (3, T) by a Runge-Kutta method from equations 10 and 11, with the signs that the scan lost."""
    from scipy.integrate import solve_ivp

    def slope(_: float, y: np.ndarray) -> list[float]:
        a, b, c = y
        return [
            2 * c - 4 * diffusion * c**2,
            -2 * c - 4 * diffusion * b**2 + 2 * friction * b,
            b - a - 4 * diffusion * b * c + friction * c,
        ]

    y = [1 / SPREAD, 1 / SPREAD, 0.0]
    return solve_ivp(slope, (times[0], times[-1]), y, "DOP853", times, rtol=1e-12, atol=1e-13).y


def moments(state: sq.gaussian.State) -> dict[str, np.ndarray]:
    """Columns of the covariance, ½ in the vacuum."""
    covariance = np.asarray(state.covariance)
    return {
        "sigma_qq": covariance[..., 0, 0],
        "sigma_pp": covariance[..., 1, 1],
        "sigma_qp": covariance[..., 0, 1],
    }


def largest(difference: ArrayLike) -> float:
    """The largest absolute value."""
    return float(np.max(np.abs(difference)))


def shades(count: int) -> list[tuple[float, ...]]:
    """Colours from dark to light, which stay in order in grey."""
    from matplotlib import colormaps

    return [colormaps["viridis"](x) for x in np.linspace(0.0, 0.85, count)]


def draw_family(axes: "Axes", times: np.ndarray, curves: Mapping[str, ArrayLike], labels: Sequence[str]) -> None:
    """One curve per parameter, in shades and line styles."""
    styles = zip(curves.values(), labels, shades(len(curves)), strict=True)
    for index, (curve, label, shade) in enumerate(styles):
        line = plotting.LINES[index % len(plotting.LINES)]
        axes.plot(times, curve, color=shade, linestyle=line, label=label, linewidth=1.5)
    axes.set_xlabel(TIME)
    axes.margins(x=0.01)
