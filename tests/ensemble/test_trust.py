"""What a run checks of itself when it is asked to: single against double precision, and whether states are states."""

import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.ensemble.norms import NORMS, Norms, deviations
from stochq.ensemble.physical_states import drifted, in_words, unphysical

FLIP, LOWER = np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
SUV = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
LARGE = {"p": [1.0, 0.0], "large": [3e5, 3e5 + 1]}


def run(precision: str = "single", **options) -> sq.EnsembleResult:
    options = {"observables": LARGE, "trajectories": 1500, "dt": 0.01, "first": 3, **options}
    return sq.simulate(SUV, [0.6, 0.8], [0, 1], precision=precision, **options)


def test_single_precision_is_compared_with_double_on_the_same_draws():
    """What is told against two runs. Numbers near 3·10⁵ are rounded by 2⁻⁶, and their mean is known to .01."""
    with pytest.warns(UserWarning, match="^precision: single precision moves the mean of 'large' at t = 1 by"):
        result = run(check="precision")
    told = result.info["precision_check"]
    one, two = run(keep=256), run("double", keep=256)
    off = one.kept_values["large"][:, -1].astype(float) - two.kept_values["large"][:, -1]
    assert (told["trajectories"], told["observable"], told["time"]) == (256, "large", 1.0)
    assert told["deviation"] == pytest.approx(off.mean(), rel=1e-6)
    assert told["error"] == pytest.approx(off.std(ddof=1) / 16, rel=1e-6)
    assert told["in_standard_errors"] == pytest.approx(abs(off.mean()) / result.stderr["large"][-1], rel=1e-6)
    apart = np.abs(one.kept[:, -1] - two.kept[:, -1]).max(axis=1)
    assert told["median"] == pytest.approx(np.median(apart), rel=1e-6)
    assert "single precision moves the mean of 'large'" in str(result)


def test_where_rounding_does_not_matter_nothing_is_warned_of(tmp_path):
    for precision in ("single", "double"):
        result = run(precision, check="precision", observables={"p": [1.0, 0.0], "one": [1.0, 1.0]})
        told = result.info["precision_check"]
        assert told["observable"] == "p" and told["in_standard_errors"] < 1e-2
    assert sq.load(result.save(tmp_path / "run.nc")).info["precision_check"] == told
    assert "precision_check" not in run().info
    with pytest.raises(ValueError, match="^check: expected 'precision' or None; got True"):
        run(check=True)


@pytest.mark.parametrize("conditional", [False, pytest.param(True, marks=pytest.mark.release)])
def test_jumps_and_conditional_states_are_compared_as_well(conditional):
    if conditional:
        detector = sq.measurement.homodyne(LOWER, efficiency=0.6)
        equation = sq.models.monitored(sq.systems.levels(FLIP), {"h": detector})
        options = {"conditional": True, "dt": 0.25}
    else:
        equation, options = sq.models.unravel(sq.systems.levels(FLIP), [LOWER], noise="jump"), {}
    result = sq.simulate(
        equation, [0, 1], [0, 1], observables={"p": [1.0, 0.0]}, trajectories=300, check="precision", keep=2, **options
    )
    told = result.info["precision_check"]
    assert told["observable"] == "p" and 0 < told["in_standard_errors"] < 1e-2 and told["median"] < 1e-4
    assert not in_words(result.info)


def test_states_that_are_none_are_told_with_numbers():
    """By hand: a norm of 1.002, a trace of .99, an eigenvalue of -.05."""
    good = np.tile(np.array([0.6, 0.8j]), (3, 2, 1))
    assert unphysical(good.astype(np.complex64), "single", 100, False) == {}
    bad = good.copy()
    bad[1, 1] *= np.sqrt(1.002)
    bad[2, 0] = np.nan
    assert unphysical(bad, "double", 100, False) == {"norm_drift": pytest.approx(0.002)}
    rho = np.tile(np.diag([0.3, 0.7]).astype(complex), (2, 2, 1, 1))
    assert unphysical(rho, "single", 100, True) == {}
    rho[0, 1], rho[1, 1] = np.diag([0.29, 0.7]), np.diag([1.05, -0.05])
    told = unphysical(rho, "single", 100, True)
    assert told == {"trace_drift": pytest.approx(0.01), "negative_eigenvalue": pytest.approx(0.05)}
    assert in_words(told)[1] == "density matrices have eigenvalues down to -0.05"


class Stretching(sq.schemes.Scheme):
    """Phases alone, in steps that make every state longer by 10⁻⁴."""

    @property
    def strong_order(self):
        return 0.5

    @property
    def weak_order(self):
        return 1

    def requires(self, equation):
        return ""

    def differentiable(self, equation):
        return True

    def budget(self, frame):
        return sq.noise.Budget(real_normals=1)

    def prepare(self, frame, dt):
        return StretchingStepper(dt)


class StretchingStepper(sq.schemes.Stepper):
    dt: jax.Array

    def init(self, t, states):
        return states[0]

    def extract(self, t, state):
        return (state,)

    def step(self, t, state, noise):
        return np.float32(1.0001) * jnp.exp(1j * noise.real_normals[:1]).astype(state.dtype) * state


@pytest.mark.parametrize("keep", [0, 5])
def test_a_scheme_that_does_not_normalise_is_told(keep):
    """Of all trajectories, whether some are kept or none: |ψ|² is 1.0001⁸ after four steps."""
    options = {"scheme": Stretching(), "dt": 0.25, "observables": {"p": [1.0, 0.0]}, "keep": keep}
    with pytest.warns(UserWarning, match="^states: norms differ from one by up to 0.0008, which rounding in 4") as told:
        result = run(**options)
    assert len(told) == 1
    assert result.info["norm_drift"] == pytest.approx(1.0001**8 - 1, rel=1e-2)
    assert "norms differ from one" in str(result)


@pytest.mark.filterwarnings("ignore:states")
def test_what_is_wrong_with_states_is_told_of_merged_results():
    """The larger of two deviations; what one run alone told stays told."""
    options = {"scheme": Stretching(), "dt": 0.25, "observables": {"p": [1.0, 0.0]}, "keep": 0}
    one, two = (run(seed=seed, **options) for seed in (0, 1))
    drift = one.info["norm_drift"]
    worse = replace(two, info=two.info | {"norm_drift": 2 * drift, "negative_eigenvalue": 0.1})
    for both in (one.merge(worse), worse.merge(one)):
        assert both.info["norm_drift"] == 2 * drift and both.info["negative_eigenvalue"] == 0.1
        assert "norms differ from one" in str(both)


def test_norms_that_many_steps_round_are_told_as_such():
    """A deviation of 0.002 is within what 10⁵ steps may round, and matters."""
    with pytest.warns(
        UserWarning, match="^states: norms differ .* by up to 0.002, by rounding in 100000 steps.*'double'"
    ):
        assert drifted({NORMS: np.array([0.002])}, "single", 100_000) == {"norm_drift": 0.002}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drifted({NORMS: np.array([0.0009])}, "single", 100_000) == drifted({}, "single", 1) == {}


def test_what_is_watched_of_conditional_states():
    """By hand: two trajectories at two times, a trace of 1.01 and Tr ρ² of 1.21 + 0.01; one that does not count."""
    rho = np.tile(np.diag([0.3, 0.7])[..., None], (2, 1, 1, 3)).astype(np.complex64)
    rho[0, ..., 0], rho[1, ..., 1], rho[1, ..., 2] = np.diag([0.31, 0.7]), np.diag([1.1, -0.1]), 9 * np.eye(2)
    seen = jnp.stack([deviations((jnp.asarray(each),), True) for each in rho])
    largest = Norms().block(seen, jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(largest, [0.01, 0.22], rtol=1e-4)
    np.testing.assert_allclose(Norms().merge(np.array([0.02, 0.0]), largest), [0.02, 0.22], rtol=1e-4)


def test_what_normalises_says_so():
    """Equations whose steps end with a norm of one are not watched, those of phases alone are."""
    suv = sq.models.suv(sq.systems.levels(FLIP), strength=1.0)
    unitary = sq.models.suv(sq.systems.levels(FLIP), strength=1.0, noise="unitary")
    strang, euler = sq.schemes.Strang(), sq.schemes.EulerMaruyama()
    assert strang.normalises(suv) and euler.normalises(unitary) and sq.schemes.Extrapolated(strang).normalises(suv)
    assert not strang.normalises(unitary) and not Stretching().normalises(suv)
    assert not strang.normalises(sq.Equation(sq.systems.levels(FLIP), ()))


def test_states_of_runs_are_states():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unitary = sq.models.unravel(sq.systems.levels(FLIP), [np.diag([1.0, -1.0])], noise="unitary")
        for precision in ("single", "double"):
            result = sq.simulate(
                unitary, [0, 1], [0, 1], observables={"p": [1.0, 0.0]}, trajectories=64, dt=1e-3, precision=precision,
                keep=64,
            )  # fmt: skip
            assert "norm_drift" not in result.info
