"""The judge judged: p-values are uniform when the ensemble is right and small when it is not."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

import stochq as sq
from stochq.compare.hotelling import hotelling, thinned
from stochq.exact import ExactResult, compare

TIMES = np.linspace(0.0, 4.0, 33)


@dataclass(frozen=True)
class Ensemble:
    """What `compare` needs, from given values of single trajectories."""

    times: np.ndarray
    mean: dict[str, np.ndarray]
    stderr: dict[str, np.ndarray]
    trajectories: int
    covariance: np.ndarray | None
    covariance_points: list[tuple[str, int]]
    precision: str = "double"
    bias: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        return self.trajectories

    def in_real_rows(self) -> "Ensemble":
        return self

    def effective_samples(self, row: str) -> np.ndarray:
        return np.full(len(self.times), self.trajectories)

    def unseen(self, row: str, width: float = 0.0) -> np.ndarray:
        return np.zeros(len(self.times))

    def tails(self) -> list[str]:
        return []


def ensemble_of(values: dict[str, np.ndarray], **changes) -> Ensemble:
    """values: (trajectory, time) by name."""
    points = [(name, index) for name in values for index in range(1, len(TIMES))]
    columns = np.stack([values[name][:, index] for name, index in points], axis=1)
    count = len(columns)
    mean = {name: array.mean(axis=0) for name, array in values.items()}
    stderr = {name: array.std(axis=0, ddof=1) / np.sqrt(count) for name, array in values.items()}
    return Ensemble(TIMES, mean, stderr, count, np.cov(columns.T), points, **changes)


def exact_of(**expect) -> ExactResult:
    return ExactResult(TIMES, {name: np.asarray(array) for name, array in expect.items()}, None, "none", 0.0, 0.0)


def walks(rng, count):
    """Two observables of one random walk, strongly correlated in time and with each other; both start sharp."""
    steps = rng.normal(size=(count, len(TIMES))) * np.sqrt(np.diff(TIMES, prepend=0.0))
    walk = np.cumsum(steps, axis=1)
    other = np.exp(-TIMES) + 0.9 * walk + 0.1 * np.cumsum(rng.normal(size=walk.shape), axis=1) * (TIMES > 0)
    return {"walk": walk, "other": other}


TRUTH = {"walk": np.zeros_like(TIMES), "other": np.exp(-TIMES)}


@pytest.mark.parametrize("count", [40, 400])
def test_p_values_are_uniform(count):
    """Kolmogorov-Smirnov below 1e-4 once in ten thousand seeds; the seed is fixed."""
    rng = np.random.default_rng(count)
    results = [compare(ensemble_of(walks(rng, count)), exact_of(**TRUTH)) for _ in range(150)]
    assert kstest([result.p_value for result in results], "uniform").pvalue > 1e-4
    assert kstest([result.p_values["walk"] for result in results], "uniform").pvalue > 1e-4
    assert all(0 < result.dof <= 0.05 * count for result in results)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("independent", 30), ("independent", 200), ("relaxing", 200), ("relaxing", 2000), ("smooth", 200), ("one", 30)],
)
def test_hotelling_is_uniform_whatever_the_correlations(kind, count):
    rng = np.random.default_rng(count)
    gap = np.abs(np.subtract.outer(TIMES, TIMES))
    shapes = {"independent": np.eye(33), "relaxing": np.exp(-gap), "smooth": np.exp(-0.5 * gap**2), "one": 1 + 0 * gap}
    values, vectors = np.linalg.eigh(shapes[kind])
    root = vectors * np.sqrt(np.maximum(values, 0))
    p_values = []
    for _ in range(300):
        # The mean and the covariance of a Gaussian sample are independent, the latter of Wishart's law.
        mean = root @ rng.normal(size=33) / np.sqrt(count)
        sample = rng.normal(size=(count - 1, 33)) if count < 300 else _wishart_root(rng, 33, count - 1)
        covariance = root @ (sample.T @ sample) @ root.T / (count - 1)
        chosen = thinned(33, count)
        block = covariance[np.ix_(chosen, chosen)]
        p_values.append(hotelling(mean[chosen], block, np.full(len(chosen), 1e-12), count, 1e-14).p_value)
    assert kstest(p_values, "uniform").pvalue > 1e-4


def _wishart_root(rng, size, degrees):
    """Bartlett's factor: Rᵀ R has the law of a Wishart matrix without drawing all samples."""
    lower = np.tril(rng.normal(size=(size, size)), -1)
    return (lower + np.diag(np.sqrt(rng.chisquare(degrees - np.arange(size))))).T


def test_a_shift_of_a_few_standard_errors_is_seen():
    rng = np.random.default_rng(1)
    ensemble = ensemble_of(walks(rng, 2000))
    shifted = exact_of(walk=TRUTH["walk"] + 0.1 * (TIMES > 3), other=TRUTH["other"])
    result = compare(ensemble, shifted)
    assert result.p_value < 1e-6
    assert result.p_values["walk"] < 1e-6 < 1e-3 < result.p_values["other"]
    # An error that is small in every point shows in the correlations.
    wiggle = exact_of(walk=TRUTH["walk"] + 0.03 * (-1) ** np.arange(33) * (TIMES > 0), other=TRUTH["other"])
    assert compare(ensemble, wiggle).p_value < 1e-6
    assert np.abs(compare(ensemble, wiggle).z["walk"]).max() < 8


def test_points_that_do_not_fluctuate():
    rng = np.random.default_rng(2)
    values = walks(rng, 500) | {"norm": np.ones((500, len(TIMES)))}
    ensemble = ensemble_of(values)
    right = compare(ensemble, exact_of(**TRUTH, norm=np.ones(33)))
    assert not np.any(right.z["norm"]) and right.p_values["norm"] == 1.0
    assert right.z["walk"][0] == 0.0
    assert right.p_value == compare(ensemble_of(walks(np.random.default_rng(2), 500)), exact_of(**TRUTH)).p_value
    wrong = compare(ensemble, exact_of(**TRUTH, norm=np.full(33, 1.001)))
    assert np.all(wrong.z["norm"] == -np.inf)
    assert wrong.p_value == wrong.p_values["norm"] == 0.0 and wrong.chi2 == np.inf
    assert "no run at all" in str(wrong)


def test_rounding_is_allowed_for():
    rng = np.random.default_rng(3)
    drift = 1.0 + 2e-6 * TIMES + 1e-8 * rng.normal(size=(100, 33))
    exact = exact_of(norm=np.ones(33))
    assert compare(ensemble_of({"norm": drift}, precision="single"), exact).p_value == 1.0
    assert compare(ensemble_of({"norm": drift}, precision="double"), exact).p_value < 1e-6
    later = 1.0 + 1e-4 * TIMES + 1e-8 * rng.normal(size=(100, 33))
    assert compare(ensemble_of({"norm": later}, precision="single"), exact).p_value == 0.0
    assert compare(ensemble_of({"norm": later}, precision="single", info={"steps": 10_000}), exact).p_value == 1.0


def test_redundant_observables_count_once():
    rng = np.random.default_rng(4)
    walk = walks(rng, 3000)["walk"]
    once = compare(ensemble_of({"a": walk}), exact_of(a=TRUTH["walk"]))
    both = compare(ensemble_of({"a": walk, "b": -2 * walk}), exact_of(a=TRUTH["walk"], b=-2 * TRUTH["walk"]))
    assert both.dof == once.dof
    assert both.chi2 == pytest.approx(once.chi2, rel=1e-6)


def test_it_prints_a_table():
    rng = np.random.default_rng(5)
    ensemble = ensemble_of(walks(rng, 500) | {"extra": rng.normal(size=(500, 33))}, bias={"walk": 0.01 * TIMES})
    lines = str(compare(ensemble, exact_of(**TRUTH))).splitlines()
    columns = ["observable", "t", "ensemble ± stderr", "exact", "z (with rounding)", "bias/stderr (not in z)"]
    assert re.split(r"  +", lines[0]) == columns
    assert len(lines) == 2 + 2 * 5 + 4
    assert lines[2].split()[:2] == ["walk", "0"] and lines[7].endswith("not known")
    assert lines[12].startswith("chi2 = ")
    assert lines[-1] == "Without an exact value: extra."


def test_bad_input():
    ensemble = ensemble_of(walks(np.random.default_rng(6), 50))
    with pytest.raises(ValueError, match="exact: expected the times of the ensemble, 33 in"):
        compare(ensemble, ExactResult(TIMES[:-1], TRUTH, None, "none", 0.0, 0.0))
    with pytest.raises(ValueError, match=r"exact: expected an observable of the ensemble \(walk, other\); got spin"):
        compare(ensemble, exact_of(spin=TIMES))
    bare = Ensemble(TIMES, ensemble.mean, ensemble.stderr, 50, None, [])
    with pytest.raises(ValueError, match="expected one with the covariance"):
        compare(bare, exact_of(**TRUTH))


def test_a_simulation():
    """False alarm: one seed in 10⁴ for each of the two assertions; the seed is fixed."""
    system = sq.systems.levels([[0.5, 0.3], [0.3, -0.5]])
    observables = {"z": np.array([1.0, -1.0]), "x": np.array([[0.0, 1.0], [1.0, 0.0]]), "rho": sq.Density()}
    right, wrong = (sq.models.suv(system, strength=strength) for strength in (0.8, 0.9))
    times = np.linspace(0.0, 3.0, 7)
    ensemble = sq.simulate(right, [1.0, 0.0], times, observables=observables, trajectories=20_000, seed=3, dt=0.05)
    assert compare(ensemble, sq.exact.evolve(right, [1.0, 0.0], times, observables=observables)).p_value > 1e-4
    assert compare(ensemble, sq.exact.evolve(wrong, [1.0, 0.0], times, observables=observables)).p_value < 1e-4


@pytest.mark.parametrize(("shift", "agrees"), [(0.0, True), (1e-9, True), (0.2, False)])
def test_what_holds_in_every_trajectory_has_to_hold_in_the_reference(shift, agrees):
    """Populations p and 1 - p: along p0 + p1 nothing fluctuates, and a reference whose sum is 1.4 is wrong."""
    p = 0.5 + 0.1 * walks(np.random.default_rng(3), 2000)["walk"]
    later = shift * (TIMES > 0)
    exact = exact_of(p0=p.mean(axis=0) + later, p1=1 - p.mean(axis=0) + later)
    assert (compare(ensemble_of({"p0": p, "p1": 1 - p}), exact).p_value > 1e-3) == agrees


def test_what_vanishes_exactly_agrees_with_a_reference_that_rounds():
    """Every trajectory has ⟨σ_x⟩ = 0 to the last digit; the reference 1e-16."""
    ensemble = ensemble_of({"x": np.zeros((40, len(TIMES)))})
    exact = replace(exact_of(x=np.full_like(TIMES, 1e-16)), sizes={"x": 1.0})
    assert compare(ensemble, exact).p_value == 1.0
    assert compare(ensemble, replace(exact, expect={"x": np.full_like(TIMES, 1e-13)})).p_value == 0.0
