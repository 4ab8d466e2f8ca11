"""Every scheme on every problem it supports: the ensemble is the master equation's solution."""

import numpy as np
import pytest

import stochq as sq
from tests.judging import judge_ensemble
from tests.problems import PROBLEMS, SCHEMES, STEPS

# Euler's step and extrapolation are the same code whatever the equation; the second command takes all equations.
FEW = ("suv, two levels", "oqt", "any operators")


def _pairs():
    for name in PROBLEMS:
        for scheme in SCHEMES:
            if scheme == "strang" or name in FEW and scheme != "extrapolated strang":
                yield name, scheme
            elif name in FEW or scheme != "extrapolated strang":
                yield pytest.param(name, scheme, marks=pytest.mark.release)


@pytest.mark.parametrize(("name", "scheme"), list(_pairs()))
@pytest.mark.sweep(8)
def test_the_ensemble_is_the_master_equation(name, scheme):
    problem = PROBLEMS[name]()
    if missing := SCHEMES[scheme].requires(problem.equation):
        with pytest.raises(ValueError, match="scheme: "):
            SCHEMES[scheme].check(problem.equation)
        assert "Extrapolated" in missing
        return
    steps, trajectories = problem.steps.get(scheme, STEPS[scheme]), problem.trajectories
    if scheme == "euler":
        # Its steps are most of the time: half as many, whose bias the error of a quarter of the trajectories hides.
        steps, trajectories = steps // 2, trajectories // 4
    result = sq.simulate(
        problem.equation,
        problem.psi0,
        problem.times,
        observables=problem.observables,
        trajectories=trajectories,
        seed=len(name),
        scheme=SCHEMES[scheme],
        dt=np.ptp(problem.times) / steps,
    )
    assert result.failed == 0 and result.trajectories == trajectories
    judge_ensemble(result, problem.expected(), f"{name}, {scheme}")
