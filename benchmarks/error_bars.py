"""Whether standard errors are right: z² of means over seeds, for ten problems whose exact means are known.

Each run has a thousand trajectories and a seed of its own; nothing else differs. The step is the one that the first run
chooses. Where that run tells of a time-step bias of half a standard error or more, as at times when hardly anything
fluctuates yet, the point is counted and left out.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import nonlinear, report
from benchmarks.targets import check

# In units of its error: farther off by chance in one of ten problems is one table in forty.
LARGEST_DEVIATION = 3.0
# A bias that a result tells of, in its standard errors; below, it adds a quarter to z² at most.
TOLD_BIAS = 0.5
LARGEST_Z = 1000.0
_LOWER, _X = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
_Y = np.array([[0, -1j], [1j, 0]])


class Problem(NamedTuple):
    """exact: times -> means by name, None for those of the master equation; has_steps: whether a step is chosen."""

    title: str
    equation: Callable[[], Any]
    psi0: Any
    observables: Callable[[], dict[str, Any]]
    times: np.ndarray
    trajectories: int = 1000
    exact: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    has_steps: bool = True

    def means(self) -> dict[str, np.ndarray]:
        import stochq as sq

        if self.exact is not None:
            return self.exact(self.times)
        return dict(sq.exact.evolve(self.equation(), self.psi0, self.times, observables=self.observables()).expect)


def _hermitian(dim: int) -> np.ndarray:
    random = np.random.default_rng(dim)
    matrix = random.normal(size=(dim, dim)) + 1j * random.normal(size=(dim, dim))
    return (matrix + matrix.conj().T) / 2


def _collapse() -> Any:
    import stochq as sq

    return sq.models.suv(sq.systems.levels(_hermitian(3)), strength=1.0)


def _thermalization() -> Any:
    import stochq as sq

    weights = np.arange(1.0, 9.0)[::-1]
    return sq.models.oqt(sq.systems.levels(np.linspace(0.0, 2.0, 8)), strength=1.0, equilibrium=weights / weights.sum())


def _jumps() -> Any:
    import stochq as sq

    return sq.models.unravel(1.5 * _X, [_LOWER], noise="jump")


def _homodyne() -> Any:
    import stochq as sq

    levels = sq.systems.levels(_Y)
    return sq.models.unravel(levels, [_LOWER])


@cache
def _square() -> dict[str, Any]:
    """One function for all runs: a new one would be compiled anew."""
    import jax.numpy as jnp

    return {"p squared": lambda psi: jnp.abs(psi[0]) ** 4}


def _watched(times: np.ndarray) -> dict[str, np.ndarray]:
    return {"p squared": nonlinear.watched_qubit(2.0, 1.0, 0.4, times)["p squared"]}


_CUTOFF = 12


@cache
def _cavity() -> Any:
    import stochq as sq

    lost = np.diag(np.sqrt(np.arange(1.0, _CUTOFF)), 1)
    return sq.models.unravel(sq.systems.kerr(_CUTOFF, 0.2, 0.5, 0.6), [lost], noise="complex")


def _coloured() -> Any:
    import stochq as sq

    noise = sq.noise.OrnsteinUhlenbeck(0.5)
    return sq.models.unravel(sq.systems.levels([0.0, 0.3]), [np.array([0.6, -0.6])], noise="unitary", colour=noise)


def _stiff() -> Any:
    """The middle level decays 25 times as fast as the upper one feeds it."""
    import stochq as sq

    fed, lost = np.zeros((3, 3)), np.zeros((3, 3))
    fed[1, 2], lost[0, 1] = 1.0, 5.0
    return sq.models.unravel(sq.systems.levels([0.0, 1.0, 2.0]), [fed, lost], noise="complex")


def _qubit(strength: float) -> Any:
    import stochq as sq

    return sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=strength)


# Of the odds: the population of the upper level at first, and γ.
UPPER, STRENGTH_OF_ODDS = 0.5, 0.25


@cache
def _odds() -> dict[str, Any]:
    import jax.numpy as jnp

    return {"odds": lambda psi: jnp.abs(psi[1]) ** 2 / jnp.abs(psi[0]) ** 2}


def mean_odds(times: np.ndarray) -> dict[str, np.ndarray]:
    r"""E p₁/p₀ of a qubit that is reduced without a Hamiltonian at the strength γ.

    Of the two outcomes' laws of the noise the likelihood ratio ℓ is log-normal with variance v = 8γt of its logarithm
    and mean 1 under the law of outcome 0; under the trajectories' law p₀Q₀ + p₁Q₁ the odds (p₁/p₀)ℓ have the mean
    $$\mathrm E\,\frac{p_1(t)}{p_0(t)}=p_1+\frac{p_1^2}{p_0}e^{8\gamma t}.$$
    """
    return {"odds": UPPER + UPPER * np.exp(8 * STRENGTH_OF_ODDS * times)}


@cache
def _oscillator() -> Any:
    import stochq as sq

    return sq.models.brownian(sq.systems.oscillator(16), friction=0.5, beta=1.0)


def _levels(*weights: float) -> dict[str, Any]:
    return {"level": np.array(weights)}


_EXCITED, _TIMES = np.array([1.0, 0.0]), np.linspace(0.0, 2.0, 5)
PROBLEMS = (
    Problem("collapse, SUV d=3", _collapse, np.full(3, 3**-0.5), lambda: _levels(0, 0.5, 1), _TIMES),
    Problem("thermalization, OQT d=8", _thermalization, np.eye(8)[7], lambda: _levels(*range(8)), _TIMES),
    Problem("jumps, driven qubit", _jumps, _EXCITED, lambda: {"p": _EXCITED, "y": _Y}, _TIMES, has_steps=False),
    Problem(
        "homodyne, a nonlinear mean",
        _homodyne,
        np.array([np.cos(0.4), np.sin(0.4)]),
        _square,
        _TIMES,
        exact=_watched,
    ),
    Problem("Kerr cavity, heterodyne", _cavity, np.eye(_CUTOFF)[0], lambda: _levels(*range(_CUTOFF)), _TIMES),
    Problem("coloured noise", _coloured, np.full(2, 0.5**0.5), lambda: {"x": _X}, _TIMES),
    Problem("stiff decay", _stiff, np.eye(3)[2], lambda: {"upper": np.eye(3)[2], "lower": np.eye(3)[0]}, _TIMES),
    Problem(
        "rare events, SUV from p = 0.004",
        partial(_qubit, 8.0),
        np.sqrt([0.004, 0.996]),
        lambda: {"p": _EXCITED},
        _TIMES,
    ),
    Problem(
        "heavy tails, log-normal odds",
        partial(_qubit, STRENGTH_OF_ODDS),
        np.sqrt([1 - UPPER, UPPER]),
        _odds,
        np.linspace(0.0, 1.0, 5),
        exact=mean_odds,
    ),
    Problem("Brownian oscillator", _oscillator, np.eye(16)[1], lambda: _levels(*range(16)), _TIMES),
)


def error_bars(runs: int) -> list[dict[str, Any]]:
    """A row for each problem, printed as it comes, and the table."""
    rows = []
    for problem in PROBLEMS:
        rows.append(judge(problem, runs))
        print(f"{problem.title}: z² {rows[-1]['z2']} ± {rows[-1]['error']}, {rows[-1]['warned']} warned", flush=True)
    shown = ("title", "runs", "trajectories", "points", "biased", "z2", "error", "largest_z", "warned", "z2_not_warned")
    print(report.table(shown, [[str(row[key]) for key in shown] for row in rows]))
    print("\n".join(report.verdicts(rows)))
    return rows


def judge(problem: Problem, runs: int) -> dict[str, Any]:
    """z² over all saved times and observables of each run, whether it was warned of, and what they average to."""
    exact = problem.means()
    first, _ = simulated(problem, 0)
    counts = ~is_biased(first, list(exact))
    squares, warned, largest = np.zeros(runs), np.zeros(runs, bool), 0.0
    for seed in range(runs):
        result, warned[seed] = simulated(problem, seed, first.dt if problem.has_steps else None)
        z = deviations(result, exact)[counts]
        squares[seed], largest = np.mean(z**2), max(largest, float(np.max(np.abs(z))))
    mean, error = _mean(squares)
    quiet, quiet_error = _mean(squares[~warned])
    deviation = 0.0 if warned.all() else abs(quiet - 1) / max(quiet_error, 1e-6)
    return {
        "title": problem.title,
        "runs": runs,
        "trajectories": problem.trajectories,
        "points": len(counts),
        "biased": int(np.sum(~counts)),
        "z2": round(mean, 4),
        "error": round(error, 4),
        "largest_z": round(largest, 2),
        "warned": int(warned.sum()),
        "z2_not_warned": None if warned.all() else round(quiet, 4),
        "checks": [
            check("|z² - 1| of runs without a warning, in its errors", deviation, LARGEST_DEVIATION, False)._asdict()
        ],
    }


def _mean(values: np.ndarray) -> tuple[float, float]:
    """A mean and its error; of one value or none no error is known."""
    if len(values) < 2:
        return float(values.sum()), float("inf")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def simulated(problem: Problem, seed: int, dt: float | None = None) -> tuple[Any, bool]:
    """A run, and whether it warned of its own errors."""
    import stochq as sq

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = sq.simulate(
            problem.equation(),
            problem.psi0,
            problem.times,
            observables=problem.observables(),
            trajectories=problem.trajectories,
            seed=seed,
            dt=dt,
        )
    return result, bool(told)


def deviations(result: Any, exact: dict[str, np.ndarray]) -> np.ndarray:
    """z at all times after the first, of one observable after another."""
    # A standard error of zero, where no trajectory has seen an event, gives the largest z unless the mean is exact.
    with np.errstate(divide="ignore", invalid="ignore"):
        z = [(result.mean[name] - exact[name])[1:] / result.stderr[name][1:] for name in exact]
    return np.clip(np.nan_to_num(np.concatenate(z)), -LARGEST_Z, LARGEST_Z)


def is_biased(result: Any, names: list[str]) -> np.ndarray:
    """Where a run tells of a bias that is not small beside its standard error; in the order of `deviations`."""
    none = np.zeros(len(result.times))
    known = [(np.abs(none if result.bias.get(name) is None else result.bias[name]), name) for name in names]
    return np.concatenate([(bias > TOLD_BIAS * result.stderr[name])[1:] for bias, name in known])
