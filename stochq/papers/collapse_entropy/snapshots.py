"""Figures 3 and 4: what the Wigner function looks like under CSL and dissipative CSL."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import stochq as sq
from stochq import plotting
from stochq.papers.checks import Check
from stochq.papers.collapse_entropy import setting
from stochq.papers.output import PURE, Claim, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = {"tau": PURE} | setting.PRECISIONS | setting.COVARIANCES


def fig3(effort: float = 1.0) -> Claim:
    """CSL, δ = .9: stretched along p, turned by the oscillation, ever wider."""
    times = np.array([0.0, 1.6, 3.2, 5.0])
    states = setting.evolved(0.9, 0.0, times)
    exact = np.asarray(sq.gaussian.csl_covariance(0.9, setting.SPREAD / 2, times))
    check = Check("covariance against the closed form", setting.largest(states.covariance - exact), 0.0, 1e-11)
    return _snapshots(times, states, exact, [check], reach=7.0)


def fig4(effort: float = 1.0) -> Claim:
    """Dissipative CSL, δ = 1.6, f = 2. At the paper's times 32, 68, 98 it has long settled, so a row at a hundredth of
    these shows the way there."""
    late = np.array([0.0, 32.0, 68.0, 98.0])
    times = np.concatenate([late / 100, late[1:]])
    states = setting.evolved(1.6, 2.0, times)
    settled = states.covariance[4:] - 0.8 * np.eye(2)
    a, b, c = integrated = setting.integrated(1.6, 2.0, times)
    found = sq.gaussian.precision_parameters(states)
    # Half the inverse of ((a, c), (c, b)).
    exact = np.moveaxis(np.array([[b, -c], [-c, a]]) / (2 * (a * b - c**2)), -1, 0)
    checks = [
        Check("settled at delta/f from tau = 32 on", setting.largest(settled), 0.0, setting.ROUNDING),
        Check("against eq. 11", setting.largest(found - integrated), 0.0, setting.INTEGRATED),
    ]
    order = [0, 1, 2, 3, 0, 4, 5, 6]
    return _snapshots(times, states, exact, checks, reach=3.5, order=order)


def _snapshots(
    times: np.ndarray,
    states: sq.gaussian.State,
    exact: np.ndarray,
    checks: list[Check],
    reach: float,
    order: Sequence[int] = (),
) -> Claim:
    axis = np.linspace(-reach, reach, 161)
    pictures = np.asarray(sq.gaussian.wigner(states, axis, axis))
    a, b, c = np.asarray(sq.gaussian.precision_parameters(states))
    table = Table({"tau": times, "a": a, "b": b, "c": c, **setting.moments(states)}, UNITS)
    difference = setting.largest(_second_moments(states) - exact)
    checks.append(Check("second moments of the picture, largest difference", difference, 0.0, setting.INTEGRATED))
    return Claim(table, checks, _draw(times, pictures, axis, list(order) or list(range(len(times)))))


def _second_moments(states: sq.gaussian.State) -> np.ndarray:
    """∫x xᵀW by quadrature (time, 2, 2), out to seven of the largest standard deviations."""
    axis = np.linspace(-17, 17, 341)
    measure = (axis[1] - axis[0]) ** 2
    pictures = np.asarray(sq.gaussian.wigner(states, axis, axis)) * measure
    q = np.einsum("tqp,q->t", pictures, axis**2)
    p = np.einsum("tqp,p->t", pictures, axis**2)
    across = np.einsum("tqp,q,p->t", pictures, axis, axis)
    return np.moveaxis(np.array([[q, across], [across, p]]), -1, 0)


def _draw(times: np.ndarray, pictures: np.ndarray, axis: np.ndarray, order: Sequence[int]) -> "Figure":
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    rows = len(order) // 4
    with plotting.style():
        made = Figure(figsize=(10.5, 2.75 * rows + 0.5), layout="constrained")
        panels = made.subplots(rows, 4, sharex=True, sharey=True, squeeze=False)
        # The square root of W: the late, wide states would be too dark.
        norm = PowerNorm(0.5, vmin=0, vmax=pictures.max())
        image = None
        for place, index in enumerate(order):
            panel = panels[place // 4, place % 4]
            picture = pictures[index].T
            image = panel.pcolormesh(axis, axis, picture, cmap="viridis", norm=norm, rasterized=True, shading="nearest")
            # Ellipses of one and two standard deviations.
            levels = picture.max() * np.exp([-2.0, -0.5])
            panel.contour(axis, axis, picture, levels, colors="white", linewidths=0.9, linestyles=["--", "-"])
            panel.set(title=rf"$\omega t={times[index]:g}$", aspect="equal")
            panel.grid(visible=False)
            if place >= 4 * (rows - 1):
                panel.set_xlabel(r"$q\,\sqrt{m\omega/\hbar}$")
            if place % 4 == 0:
                panel.set_ylabel(r"$p\,/\sqrt{m\omega\hbar}$")
        assert image is not None
        made.colorbar(image, ax=panels, label=r"$W(q,p)\,\hbar$", shrink=0.9, pad=0.01)
    return made
