"""The estimate of which tool is cheaper: its limits, and the dimension where it turns."""

import numpy as np
import pytest

import stochq as sq

TIMES = [0.0, 0.4]


def hint(equation, trajectories=10_000, steps=20):
    return sq.exact.cost_hint(equation, TIMES, trajectories=trajectories, steps=steps)


def hopping(dim):
    matrix = np.diag(0.1 * np.arange(dim)) - 0.5 * (np.eye(dim, k=1) + np.eye(dim, k=-1))
    return sq.models.suv(sq.systems.levels(matrix), strength=1.0)


def oqt(dim):
    energies = np.linspace(0.0, 2.0, dim)
    return sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=np.full(dim, 1 / dim))


@pytest.mark.parametrize("make", [hopping, oqt])
def test_small_systems_belong_to_the_master_equation_and_few_trajectories_to_large_ones(make):
    assert hint(make(2)).sooner
    assert not hint(make(256), trajectories=2, steps=1).sooner


@pytest.mark.parametrize("make", [hopping, oqt])
def test_the_method_is_the_one_that_is_used(make):
    for dim in (2, 8, 32):
        equation = make(dim)
        used = sq.exact.evolve(equation, np.eye(dim)[0], TIMES, observables={"p": np.eye(dim)[0]}).method
        assert hint(equation).method == used


def test_the_ensemble_costs_in_proportion():
    one, many = hint(oqt(8)), hint(oqt(8), trajectories=70_000, steps=40)
    assert many.ensemble == pytest.approx(14 * one.ensemble) and many.exact == one.exact


def test_it_says_which_tool_and_by_how_much():
    assert str(hint(oqt(2))).startswith("averages linear in the density matrix: the master equation is sooner, by")
    assert "the ensemble is sooner" in str(hint(oqt(256), trajectories=2, steps=1))


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_numbers_must_be_positive(wrong):
    with pytest.raises(ValueError, match="^trajectories: expected a positive number; got"):
        hint(oqt(2), trajectories=wrong)
