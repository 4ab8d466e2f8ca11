"""Which scheme is the default."""

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.channels import Features, Projectors, RateMatrix
from stochq.schemes import Strang, default_scheme
from tests.problems import hermitian


def test_averages_choose_outcomes_of_few_values_where_they_are_faster():
    levels, lower = sq.systems.levels(hermitian(3, 6)), np.diag([1.0, 0.5], 1)
    operators = sq.models.unravel(levels, [lower])
    chosen = {
        "operators": operators,
        "collapse beside": sq.Equation(
            levels, (*operators.channels, Projectors(np.ones(3)), Features(np.ones((1, 3))))
        ),
    }
    gaussian = {
        "suv": sq.models.suv(levels, strength=1.0),
        "sui": sq.models.sui(levels, reduction=1.0, thermalization=0.5, equilibrium=[0.5, 0.3, 0.2]),
        "rate matrix": sq.Equation(levels, (RateMatrix(np.ones((3, 3))),)),
    }
    for equation in chosen.values():
        assert default_scheme(equation, averages=True) == Strang(increments="discrete")
        assert default_scheme(equation) == Strang()
    assert all(default_scheme(equation, averages=True) == Strang() for equation in gaussian.values())


def test_a_tolerance_alone_asks_for_averages(monkeypatch):
    asked = []

    def spy(equation, averages):
        asked.append(averages)
        raise InterruptedError

    monkeypatch.setattr(sys.modules["stochq.ensemble.asked"], "default_scheme", spy)
    equation, histogram = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0), sq.Histogram([1, 0], [0.0, 1.0])
    run: dict[str, Any] = {"trajectories": 4096, "observables": {"p": [1, 0]}}
    others: tuple[dict[str, Any], ...] = (
        {"tolerance": 0.1},
        {},
        {"tolerance": 0.1, "keep": 1},
        {"tolerance": 0.1, "observables": {"p": lambda psi: jnp.abs(psi[0])}},
        {"tolerance": 0.1, "observables": {"p": [1, 0], "law": histogram}},
    )
    for other in others:
        with pytest.raises(InterruptedError):
            sq.simulate(equation, [0.6, 0.8], [0, 1], **run | other)
    assert asked == [True, False, False, True, False]
