"""(g) α𝒩 read off the courses of (b): what a laboratory would do that looks for OQT."""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

import stochq as sq
from stochq.papers.checks import Check
from stochq.papers.output import PURE, Series
from stochq.papers.thermalization import setting
from stochq.papers.thermalization.limit.common import Part
from stochq.papers.thermalization.limit.settling import ALPHA, Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Errors that a fit may be off by, and the p-value that it must have.
ERRORS, P_VALUE = 3.0, 0.01


def rates(courses: list[Course]) -> Part:
    """One fit for each chain, from the means of its few trajectories with their covariance."""
    fits = [_fit(course) for course in courses]
    truth = np.array([ALPHA * course.sites for course in courses])
    values = np.array([np.exp(fit.parameters["log_rate"]) for fit in fits])
    errors = values * np.array([fit.stderr["log_rate"] for fit in fits])
    checks = []
    for course, fit, value, error, true in zip(courses, fits, values, errors, truth, strict=True):
        name = f"{course.name}, {course.sites} sites: fitted α𝒩"
        checks.append(Check(name, value, true, ERRORS * error, error))
        checks.append(Check(f"{name}: p-value", fit.p_value, 1.0, 1.0 - P_VALUE))
    sites = np.array([course.sites for course in courses])
    series = [
        Series("fitted α𝒩", sites, values, errors, units=(PURE, "J")),
        Series("true α𝒩", [0, sites.max() + 1], [0, ALPHA * (sites.max() + 1)], units=(PURE, "J")),
    ]
    return Part(series, checks, (partial(_draw, series),))


def _fit(course: Course) -> sq.Fit:
    def predict(parameters: dict[str, Any]) -> Any:
        equation = course.equation(jnp.exp(parameters["log_rate"]))
        return sq.expectations(equation, course.psi0, course.times, observables=course.observables)

    # From a rate that is three times too large.
    start = {"log_rate": np.log(3 * ALPHA * course.sites)}
    return sq.fit(predict, course.run, start, progress=False)


def _draw(series: list[Series], axes: "Axes") -> None:
    fitted, true = series
    setting.draw_curve(axes, true, 0, r"true $\alpha\mathcal{N}$")
    setting.draw_points(axes, fitted, 1, "fitted ± 2 s.e.")
    axes.set(
        xlabel=r"number of sites $\mathcal{N}$", ylabel=r"$\alpha\mathcal{N}$  [$J$]", xlim=(0, None), ylim=(0, None)
    )
    axes.set_title(r"(g) $\alpha\mathcal{N}$ fitted to (b)")
    axes.legend()
