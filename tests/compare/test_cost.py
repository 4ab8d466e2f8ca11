"""The estimate of which tool is cheaper: its limits, and the dimension where it turns."""

import json
from pathlib import Path

import numpy as np
import pytest

import stochq as sq
from benchmarks import crossover
from tests import oracles

TIMES = [0.0, 0.4]


def hint(equation, trajectories=10_000, steps=20):
    return sq.exact.cost_hint(equation, TIMES, trajectories=trajectories, steps=steps)


def hopping(dim):
    matrix = np.diag(0.1 * np.arange(dim)) - 0.5 * (np.eye(dim, k=1) + np.eye(dim, k=-1))
    return sq.models.suv(sq.systems.levels(matrix), strength=1.0)


def oqt(dim):
    energies = np.linspace(0.0, 2.0, dim)
    return sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=np.full(dim, 1 / dim))


@pytest.mark.parametrize(("make", "large"), [(hopping, 256), (oqt, 4096)])
def test_small_systems_belong_to_the_master_equation_and_few_trajectories_to_large_ones(make, large):
    assert hint(make(2)).exact_is_faster
    assert not hint(make(large), trajectories=2, steps=1).exact_is_faster


@pytest.mark.parametrize("make", [hopping, oqt])
def test_the_method_is_the_one_that_is_used(make):
    for dim in (2, 8, 32):
        equation = make(dim)
        used = sq.exact.evolve(equation, np.eye(dim)[0], TIMES, observables={"p": np.eye(dim)[0]}).method
        assert hint(equation).method == used


def test_the_ensemble_costs_in_proportion():
    """Beside the call itself and the pilots, which are the same for all."""
    costs = [hint(oqt(8), trajectories=count, steps=20) for count in (10_000, 20_000, 80_000)]
    assert costs[2].ensemble - costs[0].ensemble == pytest.approx(7 * (costs[1].ensemble - costs[0].ensemble))
    steps = [hint(oqt(8), steps=count).ensemble for count in (10, 20, 80)]
    assert steps[2] - steps[0] == pytest.approx(7 * (steps[1] - steps[0]))
    assert len({cost.exact for cost in costs}) == 1


def test_it_says_which_tool_and_by_how_much():
    assert str(hint(oqt(2))).startswith("averages linear in the density matrix: the master equation is faster, by")
    assert "the ensemble is faster" in str(hint(hopping(256), trajectories=2, steps=1))


@pytest.mark.parametrize(
    ("more", "less"),
    [
        (lambda: sq.models.unravel(sq.systems.levels(np.zeros(8)), LOWERING * 2), lambda: _decay(8)),
        (lambda: _decay(8), lambda: _plain(8)),
        (lambda: oqt(8), lambda: sq.models.suv(sq.systems.levels(np.linspace(0.0, 2.0, 8)), strength=1.0)),
    ],
)
def test_more_work_costs_more(more, less):
    assert hint(more()).ensemble > 1.3 * hint(less()).ensemble


LOWERING = [0.3 * np.diag(np.sqrt(np.arange(1.0, 8)), 1)]


def _decay(dim):
    return sq.models.unravel(sq.systems.levels(np.zeros(dim)), LOWERING)


def _plain(dim):
    return sq.models.suv(sq.systems.levels(np.zeros(dim)), strength=1.0)


# Seconds of a warm call and of an ensemble, as benchmarks/results/crossover.json has them.
@pytest.mark.parametrize("name", ["oqt", "suv", "kerr"])
def test_the_hint_is_near_what_was_measured(name):
    path = Path(crossover.__file__).parent / "results" / "crossover.json"
    row = next(row for row in json.loads(path.read_text())["rows"] if row["name"] == name)
    for point in row["points"][:6]:
        ensemble = point["coarse"]
        equation = crossover.MODELS[name].equation(point["dim"])
        counts = {"trajectories": ensemble["trajectories"], "steps": ensemble["steps"]}
        found = sq.exact.cost_hint(equation, crossover.TIMES, **counts)
        ratio = point["exact_seconds"] / ensemble["seconds"] / (found.exact / found.ensemble)
        assert 0.1 < ratio < 10


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_numbers_must_be_positive(wrong):
    with pytest.raises(ValueError, match="^trajectories: expected a positive number; got"):
        hint(oqt(2), trajectories=wrong)


def _rotated(dim):
    return sq.models.suv(sq.systems.levels(np.arange(float(dim))), strength=1.0, basis=oracles.random_unitary(dim, 1))


def _unsorted(dim):
    energies = np.random.default_rng(2).permutation(np.arange(float(dim)))
    return sq.models.oqt(sq.systems.levels(energies), strength=1.0, equilibrium=np.full(dim, 1 / dim))


def _own(dim):
    """Collapse in the eigenvectors of a Hamiltonian that is not diagonal, given as columns."""
    matrix = oracles.random_hermitian(dim, 3)
    return sq.models.suv(sq.systems.levels(matrix), strength=1.0, basis=np.linalg.eigh(matrix)[1])


def _alone(dim):
    return sq.models.unravel(sq.systems.levels(np.arange(float(dim))), [np.arange(float(dim)), np.ones(dim)])


@pytest.mark.parametrize("make", [_rotated, _unsorted, _own, _alone])
@pytest.mark.parametrize("dim", [3, 20])
def test_the_method_is_the_one_that_is_used_whatever_the_basis(make, dim):
    assert hint(make(dim)).method == sq.exact.evolve(make(dim), np.eye(dim)[0], TIMES).method


def test_where_there_is_no_master_equation_the_ensemble_is_the_tool():
    colour = sq.noise.OrnsteinUhlenbeck(0.5)
    turning = sq.models.unravel(
        sq.systems.levels([[0, 1], [1, 0.0]]), [np.array([0, 1.0])], noise="unitary", colour=colour
    )
    for equation in (turning, oqt(8192)):
        found = hint(equation)
        assert found.method == "none" and not found.exact_is_faster and "no master equation within reach" in str(found)
    still = sq.models.unravel(sq.systems.levels([0, 1.0]), [np.array([0, 1.0])], noise="unitary", colour=colour)
    assert hint(still).method == "closed-form"


def test_operators_that_depend_on_time_count_by_their_rates():
    """Not by the times at which their coefficients jump."""
    jump = np.array([[0.0, 30.0], [0.0, 0.0]])
    drive = sq.systems.sampled([0.0, 1e6, 2e6], [1.0, 2.0], interpolation="constant")
    channels = [
        sq.channels.TimeDependentOperator([(jump, drive)]),
        sq.channels.Modulated(sq.channels.DenseOperators([jump]), drive),
    ]
    for channel in channels:
        equation = sq.Equation(sq.systems.levels([0.0, 1.0]), [channel])
        found = sq.exact.cost_hint(equation, TIMES, trajectories=1000, steps=1000)
        plain = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [jump])
        other = sq.exact.cost_hint(plain, TIMES, trajectories=1000, steps=1000)
        assert found.method == "ode"
        assert 0 < found.exact < 100 * max(other.exact, 1e-3)
