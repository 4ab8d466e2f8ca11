"""`noise="any"`: the law that is cheapest for averages, and refusals of all that depends on the law."""

import warnings
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import stochq as sq
from stochq.accuracy.grid import time_grid
from stochq.ensemble import any_law, law_pilots
from stochq.ensemble.law_pilots import Question, Trial, pilot_grid
from stochq.ensemble.task import Task
from stochq.schemes import default_scheme, frame_of
from tests import liouville

FLIP = np.array([[0.0, 1.0], [1.0, 0.0]])
LOWERING = np.array([[0.0, 1.0], [0.0, 0.0]])
UP, TIMES = np.array([1.0, 0.0]), np.array([0.0, 0.5, 1.0])

# Trajectories of which pilots may pay.
MANY = 10_241


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    any_law.forget_laws()


def _run(equation, observables, **options):
    options = {"trajectories": 2048, **options}
    return sq.simulate(equation, [0.6, 0.8], TIMES, observables=observables, **options)


def test_populations_that_noise_leaves_alone_take_unitary_noise():
    """Without a Hamiltonian a random potential moves no population: |ψ₀|² = .36 in every trajectory, by hand. Collapse
    would bring a variance of .36·.64 in the end."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=20.0, noise="any")
    run = _run(equation, {"p": UP}, trajectories=2**15)
    assert run.info["law"] == "unitary" and "unitary 1" in run.info["law_reason"]
    np.testing.assert_allclose(run.mean["p"], 0.36, atol=1e-5)
    assert run.stderr["p"].max() < 1e-5


@pytest.mark.parametrize("options", [{"dt": 0.1}, {"tolerance": 0.02, "trajectories": 2**20}])
def test_averages_are_those_of_the_master_equation(options):
    """A driven, damped qubit, whose operators are not Hermitian: Liouville's matrix exponentiated by scipy."""
    jumps = [LOWERING, np.sqrt(0.5) * LOWERING.T]
    run = _run(sq.models.unravel(sq.systems.levels(FLIP), jumps, noise="any"), {"p": UP, "a": LOWERING}, **options)
    generator = liouville.superoperator(FLIP.astype(complex), [jump.astype(complex) for jump in jumps])
    start = np.outer([0.6, 0.8], [0.6, 0.8]).reshape(-1)
    assert run.info["law"] in ("real", "complex", "jump")
    for index, time in enumerate(TIMES[1:], 1):
        rho = (scipy.linalg.expm(generator * time) @ start).reshape(2, 2)
        for part in (np.real, np.imag):
            error = part(run.mean["a"][index] - np.trace(rho @ LOWERING))
            assert abs(error) < 5 * part(run.stderr["a"][index]) + 1e-3
        assert abs(run.mean["p"][index] - rho[0, 0].real) < 5 * run.stderr["p"][index] + 1e-3


def test_densities_are_averages_and_laws_that_are_named_stay():
    """Thermalization has no unitary law: it is real there, and stays real where it was named."""
    qubit = sq.systems.levels([0.0, 0.0])
    collapse = sq.models.suv(qubit, strength=1.0, noise="any")
    both = sq.Equation(qubit, [*collapse.channels, sq.channels.RateMatrix([[0.0, 1.0], [0.5, 0.0]])])
    run = _run(both, {"p": UP, "rho": sq.Density()}, dt=0.1)
    # dp/dt = q − p/2: p = 2/3 + (.36 − 2/3) e^{−3t/2}.
    expected = 2 / 3 + (0.36 - 2 / 3) * np.exp(-1.5)
    assert abs(run.density[-1, 0, 0].real - expected) < 5 * run.stderr["p"][-1]
    assert run.info["law"] in ("unitary", "real", "complex", "jump")


@pytest.mark.parametrize(
    ("observables", "options", "what"),
    [
        ({"f": lambda psi: jnp.abs(psi[0]) ** 4}, {}, "the function 'f'"),
        ({"h": sq.Histogram(UP, [0.0, 0.5, 1.0])}, {}, "the statistic 'h'"),
        ({"p": UP}, {"keep": 2}, "keep=2"),
        ({"p": UP}, {"records": True}, "records=True"),
    ],
)
def test_what_depends_on_the_law_is_refused(observables, options, what):
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    with pytest.raises(ValueError, match=f"^noise: expected a law that is named for {what}"):
        _run(equation, observables, **options)


def test_records_need_a_law():
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    with pytest.raises(ValueError, match="^noise: expected a law that is named; 'any'"):
        _ = equation.lines


def test_no_pilots_where_one_could_not_pay(monkeypatch):
    """The first pilot alone takes a twentieth of a run of so many trajectories: the most promising law is taken."""
    asked = []

    def pilot(task, law, question, execution, *_):
        asked.append(law.name)
        return Trial(task, law, np.array([1e-9]), 1.0, is_enough=True)

    monkeypatch.setattr(law_pilots, "_pilot", pilot)
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    run = _run(equation, {"p": UP}, trajectories=MANY - 1)
    assert not asked and run.info["law"] == "unitary" and "too short for pilots" in run.info["law_reason"]
    _run(equation, {"p": UP}, trajectories=MANY)
    assert asked == ["unitary"]


def test_a_run_to_a_tolerance_begins_before_there_are_pilots(monkeypatch):
    """A coherence whose phase is random varies by 1 - e^{-2} at most: the tolerance takes some (2.2 / .75 tolerance)²/2
    trajectories. 2048 of them are enough, or a twentieth of what is, or less. What is done is the run itself."""
    asked = []

    def pilot(task, law, question, execution, *_):
        asked.append(law.name)
        return Trial(task, law, np.array([1.0]), 1.0, is_enough=True)

    monkeypatch.setattr(law_pilots, "_pilot", pilot)
    qubit, watched = sq.systems.levels([0.0, 0.0]), {"x": FLIP}
    for tolerance, pilots in ((0.1, []), (0.02, []), (0.004, ["unitary"])):
        asked.clear()
        runs = [
            _run(sq.models.suv(qubit, strength=1.0, noise=noise), watched, tolerance=tolerance, trajectories=10**6)
            for noise in ("any", "unitary")
        ]
        assert runs[0].info["law"] == "unitary" and asked == pilots
        assert runs[0].trajectories == runs[1].trajectories
        np.testing.assert_array_equal(runs[0].mean["x"], runs[1].mean["x"])
        np.testing.assert_array_equal(runs[0].stderr["x"], runs[1].stderr["x"])


def test_a_run_whose_pairs_are_no_better_is_measured_by_its_singles(monkeypatch):
    """A phase doubled by its mirror image: what pairs take decides nothing, as they are not the run."""
    counts = []
    monkeypatch.setattr(Question, "check_length", lambda self, count: counts.append(count))
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    run = _run(equation, {"x": FLIP}, tolerance=0.02, trajectories=10**6)
    assert not run.antithetic and counts[:2] == [2048, 2048] and len(counts) == 3


@pytest.mark.parametrize(("seconds", "trials"), [(1e-6, 1), (1e-5, 2)])
def test_a_pilot_is_made_longer_only_where_others_may_follow(monkeypatch, seconds, trials):
    """By a clock of its own, 10⁶ trajectories: 1 µs each is 1 s, as long as 18 pilots of 2.7 times .0205 s; 10 µs each
    is 10 s, as long as 180 of them."""
    clock, sizes, no_problem = [0.0], [], SimpleNamespace(block=1024)

    def trial(task, law, problem, size, *_):
        sizes.append(size)
        clock[0] += 0.0205
        return Trial(task, law, np.array([1.0]), seconds)

    monkeypatch.setattr(law_pilots, "_trial", trial)
    monkeypatch.setattr(law_pilots, "_seconds", lambda: clock[0])
    monkeypatch.setattr(law_pilots, "_pilot_problem", lambda *_: (no_problem, 4))
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    psi, scheme = np.array([0.6, 0.8]), default_scheme(equation, True)
    task = Task(equation, frame_of(equation), psi, TIMES, {"p": UP}, scheme, "single", 0)
    no_execution: Any = None
    question = Question(10**6, None, None, None, None, True)
    compared = law_pilots.trials_of(any_law._laws_there(task, question), question, no_execution, None)
    assert sizes[:2] == [1024, 4096][:trials] and len(compared) == (1 if trials == 1 else 4)


def test_the_work_of_a_law_is_its_time_for_what_is_asked():
    """By hand. To a tolerance .3: .75 of it is 2.2 standard errors, n = v (2.2/.225)² = 95.6 v, at least 2048. For so
    many trajectories: n times the variance, relative to the largest of each observable, averaged."""
    no_task: Any = None
    trials = [
        Trial(no_task, sq.laws.REAL, np.array([100.0, 1.0]), 1e-3),
        Trial(no_task, sq.laws.COMPLEX, np.array([0.01, 2.0]), 2e-3),
    ]
    to_tolerance = Question(10**8, 0.3, None, None, None, True).work(trials)
    np.testing.assert_allclose(to_tolerance, [1e-3 * 100 * (2.2 / 0.225) ** 2, 2e-3 * 2048])
    of_so_many = Question(1000, None, None, None, None, True).work(trials)
    np.testing.assert_allclose(of_so_many, [1e-3 * 1000 * 0.75, 2e-3 * 1000 * 0.50005])


def test_a_repeated_call_makes_no_pilots(monkeypatch):
    """One seed beside another takes the law that was chosen; another number in the call has pilots of its own."""
    asked = []

    def pilot(task, law, question, execution, *_):
        asked.append(law.name)
        return Trial(task, law, np.array([1.0]), {"real": 1.0}.get(law.name, 2.0))

    monkeypatch.setattr(law_pilots, "_pilot", pilot)

    def laws_tried(**changed: Any) -> tuple[int, bool]:
        asked.clear()
        options: dict[str, Any] = {
            "strength": 1.0,
            "psi": [0.6, 0.8],
            "up": UP,
            "trajectories": MANY,
            "dt": 0.5,
        } | changed
        strength, psi, up = (options.pop(name) for name in ("strength", "psi", "up"))
        equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=strength, noise="any")
        run = sq.simulate(equation, psi, TIMES, observables={"p": up}, **options)
        assert run.info["law"] == "real"
        return len(asked), "by an earlier call" in run.info["law_reason"]

    assert laws_tried() == (3, False)
    assert laws_tried() == laws_tried(seed=5) == laws_tried(progress=False) == (0, True)
    for changed in ({"strength": 1.5}, {"psi": (0.8, 0.6)}, {"up": 2 * UP}, {"trajectories": MANY + 1}, {"dt": 0.25}):
        assert laws_tried(**changed) == (3, False)
    any_law.forget_laws()
    assert laws_tried() == (3, False)


@pytest.mark.parametrize(
    ("seconds", "law"),
    [
        ({"unitary": 3.0, "real": 1.0, "complex": 2.0, "jump": 40.0}, "real"),
        ({"unitary": 3.0, "real": 2.0, "complex": 1.0, "jump": 9.0}, "jump"),
        ({"unitary": 3.0, "real": 2.0, "complex": 1.0, "jump": 11.0}, "complex"),
    ],
)
def test_the_least_work_is_chosen_at_the_steps_of_the_run(monkeypatch, seconds, law):
    """Pilots of two steps between saved times, a run of 20: what is made in steps takes ten times as long."""

    def pilot(task, law, question, execution, *_):
        return Trial(task, law, np.array([1.0]), seconds[law.name])

    monkeypatch.setattr(law_pilots, "_pilot", pilot)
    monkeypatch.setattr(any_law, "plan_step", lambda *arguments: any_law.StepPlan(0.025))
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0, noise="any")
    run = _run(equation, {"p": UP}, trajectories=MANY)
    assert run.info["law"] == law
    assert run.dt == (0.0 if law == "jump" else 0.025)


def test_pilots_make_steps_like_those_of_the_run():
    """Two between saved times, or as many as the run where that makes fewer; an odd number where the run does, so that
    both are one program."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=0.1)
    psi, scheme = np.array([0.6, 0.8]), default_scheme(equation, True)
    task = Task(equation, frame_of(equation), psi, TIMES, {"p": UP}, scheme, "single", 0)
    for length, steps in ((None, 4), (0.5, 2), (0.25, 4), (0.1, 6), (0.05, 4)):
        like = None if length is None else time_grid(TIMES, length)
        assert pilot_grid(task, None, like).total_steps == steps


def test_pilots_of_jumps_resolve_them_whatever_the_steps_of_the_run():
    """Rates 30 and 0.01 at the start: at most half a jump in a step of 0.5/30.01, 61 of them to each saved time. Under
    unitary noise the same run makes one step."""
    qubit, flip = sq.systems.levels([0.0, 0.0]), 0.1 * FLIP
    jumps = sq.models.unravel(qubit, [np.sqrt(30.0) * UP], noise="jump").channels
    equation = sq.Equation(qubit, [*jumps, *sq.models.unravel(qubit, [flip], noise="real").channels])
    psi, scheme = np.array([1.0, 0.0]), default_scheme(equation, True)
    task = Task(equation, frame_of(equation), psi, np.array([0.0, 1.0, 2.0]), {"p": UP}, scheme, "single", 0)
    for length in (1.0, 0.25):
        assert pilot_grid(task, None, time_grid(task.times, length)).total_steps == 122


def test_a_step_that_warns_or_fails_is_told_only_of_the_law_that_is_taken(monkeypatch):
    """Under unitary noise, planned first, it does both here; real noise is taken, as if the cheapest."""
    plan = any_law.plan_step

    def planned(task, *arguments):
        if task.equation.channels[0].law.name == "unitary":
            warnings.warn("very many steps", stacklevel=1)
            raise ValueError("dt: no such step")
        return plan(task, *arguments)

    monkeypatch.setattr(any_law, "plan_step", planned)
    monkeypatch.setattr(Question, "work", lambda self, trials: [1.0 + (trial.law.name != "real") for trial in trials])
    monkeypatch.setattr(law_pilots, "WORTH_A_PILOT", -1.0)
    monkeypatch.setattr(any_law, "WORTH_A_PILOT", -1.0)
    any_law.forget_laws()
    equation = sq.models.suv(sq.systems.levels([[0.0, 1.0], [1.0, 0.0]]), strength=0.7, noise="any")
    watched = {"p": [1.0, 0.0]}
    result = sq.simulate(equation, [1.0, 0.0], [0.0, 0.5, 1.0], observables=watched, trajectories=2000)
    assert result.info["law"] == "real"
