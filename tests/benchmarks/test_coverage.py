"""The benchmark of coverage counts what lies within intervals, and finds errors that are too small."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import coverage

POINTS = 12


def level(values):
    return values["level"] * jnp.ones(POINTS)


def case(told):
    """Points with an error of 1 that is told to be something else."""

    def measure(seed):
        noise = np.random.default_rng(seed).normal(size=POINTS)
        return 2.0 + noise, told * np.ones(POINTS)

    return coverage.Case(level, measure, {"level": 1.0}, {"level": 2.0}, {})


@pytest.mark.parametrize(("told", "shares", "even"), [(1.0, (0.683, 0.95), True), (0.5, (0.383, 0.673), False)])
def test_shares_are_those_of_the_errors(told, shares, even):
    """Of half the error the intervals hold P(|z| < 1/2) and P(|z| < .98), of one parameter also jointly."""
    sets = 300
    found = coverage._covered(case(told), sets, "wald")
    rows = {row["parameter"]: row["shares"] for row in found["rows"]}
    for name in ("level", "jointly"):
        for one, share in zip(rows[name], shares, strict=True):
            assert abs(one - share) < 3.5 * np.sqrt(share * (1 - share) / sets), (name, one)
    assert found["not_converged"] == 0
    checks = {text: value for text, value, _, _ in found["checks"]}
    assert (checks["p-values, Kolmogorov and Smirnov"] > 0.01) == even


def test_interpolation_is_that_of_the_function_and_ends_where_it_does():
    """A polynomial of as many terms in each of two parameters is met exactly, slopes too, in NumPy alone."""

    def cubic(values):
        return {"one": values["a"] ** 3 * values["b"] * jnp.array([1.0, 2.0]), "other": values["b"] ** 2 - values["a"]}

    near = coverage.interpolated(cubic, {"a": 1.0, "b": -2.0}, reach=0.5, points=4)
    with jax.enable_x64(True):
        a, b = 1.3, -2.4
        found, slope = jax.jvp(near, ({"a": a, "b": b},), ({"a": 1.0, "b": 0.0},))
        np.testing.assert_allclose(found["one"], [a**3 * b, 2 * a**3 * b], rtol=1e-12)
        np.testing.assert_allclose(found["other"], b**2 - a, rtol=1e-12)
        np.testing.assert_allclose(slope["one"], [3 * a**2 * b, 6 * a**2 * b], rtol=1e-11)
        assert np.isnan(near({"a": 1.6, "b": b})["other"])


# The square of CSL's prediction takes a minute.
@pytest.mark.parametrize("name", [name for name in coverage.CASES if "CSL" not in name])
def test_every_case_has_data_at_its_truth(name):
    made = coverage.CASES[name]()
    assert set(made.truth) == set(made.start)
    assert all(made.truth[key] != made.start[key] for key in made.truth)


# A fit of CSL takes seconds: `python -m benchmarks coverage` measures it.
FAST = [name for name in coverage.CASES if "CSL" not in name]


@pytest.mark.release
@pytest.mark.parametrize("name", FAST)
def test_intervals_of_examples_hold_the_truth_as_often_as_they_say(name):
    found = coverage._covered(coverage.CASES[name](), 100, "wald")
    for text, value, bound, at_least in found["checks"]:
        # Three standard errors of a share of 100 sets are √2 times those of 200.
        assert value >= bound if at_least else value <= np.sqrt(2) * bound, (text, value)
