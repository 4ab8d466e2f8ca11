"""Every scheme on every problem it supports: the ensemble is the master equation's solution."""

import numpy as np
import pytest

import stochq as sq
from tests.judging import judge_ensemble
from tests.problems import PROBLEMS, SCHEMES, STEPS

# Extrapolating a scheme of second order is the same code whatever the equation.
EXTRAPOLATED_STRANG = ("suv, two levels", "oqt", "any operators")
PAIRS = [(p, s) for p in PROBLEMS for s in SCHEMES if s != "extrapolated strang" or p in EXTRAPOLATED_STRANG]


@pytest.mark.parametrize(("name", "scheme"), PAIRS)
def test_the_ensemble_is_the_master_equation(name, scheme):
    problem = PROBLEMS[name]()
    if missing := SCHEMES[scheme].requires(problem.equation):
        with pytest.raises(ValueError, match="scheme: "):
            SCHEMES[scheme].check(problem.equation)
        assert "Extrapolated" in missing
        return
    steps = problem.steps.get(scheme, STEPS[scheme])
    result = sq.simulate(
        problem.equation,
        problem.psi0,
        problem.times,
        observables=problem.observables,
        trajectories=problem.trajectories,
        seed=len(name),
        scheme=SCHEMES[scheme],
        dt=np.ptp(problem.times) / steps,
    )
    assert result.failed == 0 and result.trajectories == problem.trajectories
    judge_ensemble(result, problem.expected(), f"{name}, {scheme}")
