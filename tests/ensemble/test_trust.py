"""What a run checks of itself when it is asked to: single against double precision, and whether states are states."""

import warnings

import jax
import numpy as np
import pytest

import stochq as sq
from stochq.compiling import PROGRAMS
from stochq.ensemble.physical_states import in_words, unphysical
from stochq.schemes.euler import EulerStepper

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


@pytest.mark.parametrize("conditional", [False, True])
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


def test_a_scheme_that_does_not_normalise_is_told(monkeypatch):
    """Euler's steps end with states longer by 10⁻⁴, whose squares are told."""
    step = EulerStepper.step
    monkeypatch.setattr(EulerStepper, "step", lambda *arguments: step(*arguments) * np.float32(1.0001))
    options = {"scheme": sq.schemes.EulerMaruyama(), "dt": 0.25, "observables": {"p": [1.0, 0.0]}, "keep": 5}
    clear_programs()
    with pytest.warns(UserWarning, match="^states: norms differ from one by up to 0.0002, which rounding in 4 steps"):
        result = run(**options)
    clear_programs()
    assert result.info["norm_drift"] == pytest.approx(2e-4, rel=1e-2)
    assert "norms differ from one" in str(result)


def clear_programs() -> None:
    """Of the other step."""
    PROGRAMS.clear()
    jax.clear_caches()


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
