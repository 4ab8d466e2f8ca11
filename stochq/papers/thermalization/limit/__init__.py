"""Towards the thermodynamic limit: single macroscopic systems thermalize, small ones do not notice.

Seven parts, a module each: (a) `fluctuations`, (b) `settling`, (c) `modes`, (d) `breaking`, (e) `entanglement`,
(f) `counterexamples`, (g) `rate`; each docstring derives what is expected.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from stochq import plotting
from stochq.papers.output import Claim, Series
from stochq.papers.thermalization.limit.breaking import breaking_part
from stochq.papers.thermalization.limit.common import Part
from stochq.papers.thermalization.limit.counterexamples import counterexamples_part
from stochq.papers.thermalization.limit.entanglement import entropies
from stochq.papers.thermalization.limit.fluctuations import fluctuations_part
from stochq.papers.thermalization.limit.modes import occupations
from stochq.papers.thermalization.limit.rate import rates
from stochq.papers.thermalization.limit.settling import SMALL, all_courses, settling_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def limit_claim(effort: float = 1.0) -> Claim:
    """The paper's claims on systems that approach the thermodynamic limit, measured at growing size.

    effort: of trajectories; from 2 on chains are longer as well, in (a) up to 18 sites.
    """
    courses = all_courses(effort)
    parts = {
        "(a)": fluctuations_part(effort),
        "(b)": settling_part(courses),
        "(c)": occupations(effort),
        "(d)": breaking_part(effort),
        "(e)": entropies(effort),
        "(f)": counterexamples_part(effort),
        "(g)": rates([course for course in courses["chaotic"] if course.sites <= SMALL]),
    }
    return joined(parts)


def joined(parts: dict[str, Part]) -> Claim:
    """Their numbers and checks, named after them, and one picture."""
    checks = [replace(check, name=f"{name} {check.name}") for name, part in parts.items() for check in part.checks]
    series = [
        Series(f"{name} {some.name}", some.x, some.y, some.stderr, units=some.units)
        for name, part in parts.items()
        for some in part.series
    ]
    return Claim(series, checks, _draw(list(parts.values())))


def _draw(parts: list[Part]) -> "Figure":
    panels = [panel for part in parts for panel in part.panels]
    with plotting.style():
        made, axes = plotting.figure(len(panels))
        for panel, column in zip(panels, axes, strict=True):
            panel(column[0])
    return made
