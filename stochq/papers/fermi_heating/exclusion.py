"""Figure 1: the excluded part of the plane of λ and r_C, with the lines of Neptune and of the neutron star."""

import numpy as np

import stochq as sq
from stochq.constants import STEFAN_BOLTZMANN
from stochq.papers.checks import Check
from stochq.papers.fermi_heating import table
from stochq.papers.output import Claim, Series

LINES = ("neutron star", "Neptune")
# The paper rounds Stefan's constant to 5.6e-8; the bound has all its digits.
STEFAN = STEFAN_BOLTZMANN / table.STEFAN
# λ in 1/s at r_C in m that others have published, and how close one must come.
PUBLISHED = (
    ("LISA Pathfinder 2016", 1e-7, 2.96e-8, 0.01),
    ("cryogenic heating", 1e-7, 3.3e-11, 0.01),
)


def fig1(effort: float = 1.0) -> Claim:
    """Every bound from its inputs; the paper's two lines by eq. 17."""
    found = sq.bounds.exclusion()
    series = [
        Series(name, found.lengths, bound, units=("m", "1/s"))
        for name, bound in (dict(found.upper) | dict(found.lower)).items()
    ]
    for proposal in found.proposals:
        rates = proposal.rate * 10.0 ** (proposal.decades * np.array([-1.0, 0.0, 1.0]))
        name = f"{proposal.name}: lowest, proposed, highest"
        series.append(Series(name, np.full(3, proposal.length), rates, units=("m", "1/s")))
    return Claim(series, _checks(found), found.plot(highlight=LINES), ("png", "svg"))


def _checks(found: sq.bounds.Exclusion) -> list[Check]:
    checks = []
    for name, length, published, tolerance in PUBLISHED:
        rate = float(found.experiments[name].rate_bound(length))
        checks.append(Check(f"{name}: λ at {length:g} m over the published", rate / published, 1.0, tolerance))
    for name, expected in (("Neptune", STEFAN), ("neutron star", STEFAN * table.STATED)):
        rate = float(found.experiments[name].rate_bound(1e-7))
        printed = 1e-14 * table.PRINTED[name][1]
        checks.append(Check(f"{name}: λ at 1e-07 m over Table I", rate / printed, expected, table.TOLERANCE))
    # "These bounds are weaker than the already existing bounds", at every length.
    others = np.min([bound for name, bound in found.upper.items() if name not in LINES], axis=0)
    stronger = sum(int(np.sum(found.upper[name] < others)) for name in LINES)
    checks.append(Check("lengths at which a line of the paper is the strongest bound", float(stronger), 0.0, 0.0))
    return checks
