"""What is mixed up easily is understood, or refused with what to do."""

import numpy as np
import pytest

import stochq as sq

LOWERING, DOWN, TIMES = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0]), np.linspace(0.0, 1.0, 6)
X = LOWERING + LOWERING.T
EQUATION = sq.models.monitored(X, {"current": sq.measurement.homodyne(LOWERING)})


def tuned(values, phase=0.0):
    return sq.models.monitored(values["rabi"] * X, {"c": sq.measurement.homodyne(LOWERING, phase=phase)}), DOWN


@pytest.fixture(scope="module")
def run():
    options = {"observables": {"e": [1.0, 0.0], "g": [0.0, 1.0]}, "trajectories": 8, "dt": 0.1, "records": True}
    return sq.simulate(EQUATION, DOWN, TIMES, **options)


def test_names_of_observables_are_drawn(run):
    assert [axes.get_ylabel() for axes in run.plot("g").axes] == ["g"]
    assert [axes.get_ylabel() for axes in run.plot("g", "e").axes] == ["g", "e"]
    with pytest.raises(ValueError, match="^names: expected them once"):
        run.plot("g", names=["e"])


def test_results_in_the_other_order_are_refused(run):
    exact = sq.exact.evolve(EQUATION, DOWN, TIMES, observables={"e": [1.0, 0.0]})
    with pytest.raises(ValueError, match="in this order; got ExactResult and EnsembleResult"):
        sq.compare(exact, run)


def test_a_filter_without_observables_tells_purity_and_likelihood(run):
    bare = sq.inference.filter(EQUATION, DOWN, run.records)
    whole = sq.inference.filter(EQUATION, DOWN, run.records, observables={"e": [1.0, 0.0]})
    assert not bare.mean and "purity" in str(bare)
    np.testing.assert_allclose(bare.purity, whole.purity)
    np.testing.assert_allclose(bare.log_likelihood, whole.log_likelihood)


REFUSED = {
    "current as counter": (
        lambda: sq.exact.waiting_time(EQUATION, DOWN, TIMES, operator="current"),
        r"operator: .*there is no counter among the equation's records \(current\)",
    ),
    "hits of levels": (
        lambda: sq.models.grw(sq.systems.levels([0.0, 1.0]), rate=1.0, length=1.0),
        "particle: grw expects",
    ),
    "misspelt design": (
        lambda: sq.inference.design(tuned, {"rabi": 1.0}, {"a": {"fase": 1.0}}, parameter="rabi", times=TIMES),
        r"candidates\['a'\]: .*Did you mean 'phase'\?",
    ),
    "scores": (
        lambda: sq.expectations(
            EQUATION, DOWN, TIMES, observables={"e": [1.0, 0.0]}, trajectories=8, dt=0.1, gradient="likelihood-ratio"
        ),
        "gradient: 'likelihood-ratio' needs .*those of sq.models.suv have it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_mixed_up_is_told(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
