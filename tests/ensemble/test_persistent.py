"""The kernel in which a thread makes all steps of a trajectory, against the loop over a block: the same states."""

import sys
from dataclasses import replace
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq.accelerators import forced
from stochq.accuracy.grid import time_grid
from stochq.ensemble import which_loop
from stochq.ensemble.advance import advance_of, drawing, iteration_of
from stochq.ensemble.kernel import run_block
from stochq.ensemble.problem import build_problem
from stochq.ensemble.records import recording_of
from stochq.ensemble.registers import Interval, arithmetic, as_rows
from stochq.ensemble.registers.entries import Node, Unsupported
from stochq.ensemble.task import Task
from stochq.schemes import frame_of
from tests.problems import PROBLEMS, SCHEMES

SINGLE = np.dtype(np.float32)
# What rounding may do: most trajectories agree to it, one may have been drawn another way at the edge of a decision.
MEDIAN, LARGEST, MOST_BEYOND = 1e-6, 1e-3, 1


def _build(
    equation, psi0, scheme, dt=0.05, times=(0.0, 1.0), block=64, antithetic=False, records=False, clicks=0, **more
):
    times, psi = np.asarray(times, float), np.asarray(psi0, complex)
    recording = recording_of(equation, scheme, times, records, None)
    watched = {"p": np.arange(equation.dim, dtype=float)}
    task = Task(equation, frame_of(equation), psi, times, watched, scheme, "single", 3, recording=recording)
    task = replace(task, **more)
    grid = time_grid(times, dt, 1 if recording is None else recording.bins)
    problem = build_problem(task, grid, antithetic, clicks)
    return problem._replace(loop=problem.loop._replace(block=block))


@cache
def _of_registry(name, scheme):
    problem = PROBLEMS[name]()
    return _build(problem.equation, problem.psi0, SCHEMES[scheme])


def _start(problem):
    """A stepper, and the states with which trajectories begin."""
    frame, loop = problem.frame, problem.loop
    stepper = loop.scheme.prepare(frame, problem.grid.lengths[0])
    psi = jnp.broadcast_to(frame.to_frame(problem.psi0)[:, None], (problem.size, loop.columns))
    return stepper, stepper.init(problem.grid.ends[0], tuple(psi for _ in loop.scheme.weights))


@eqx.filter_jit
def _prepared(problem, steps):
    """States after so many steps of today's loop, and what a thread would make them of."""
    loop, key, trajectories = problem.loop, jnp.asarray(problem.key), jnp.arange(problem.loop.block, dtype=jnp.uint32)
    stepper, state = _start(problem)
    budget, carried = loop.scheme.budget(problem.frame), (state, None, None, None)
    advance = advance_of(loop, stepper, None, None, budget, key, trajectories, SINGLE, carried)
    noise = drawing(loop)[0](key, trajectories, jnp.int32(0), budget, SINGLE)
    dt = jnp.float32(problem.grid.lengths[0])
    after, _ = advance((carried, noise), jnp.float32(0), jnp.int32(0), steps, dt)
    return after[0], state


def _by_registers(problem, state, steps):
    """The same by JAX's own operations, one number after another; `state` is already there."""
    problem = jax.tree.map(
        lambda leaf: jnp.asarray(leaf) if eqx.is_array_like(leaf) and np.ndim(leaf) else leaf, problem
    )
    loop, key = problem.loop, problem.key
    stepper, carried = _start(problem)[0], (state, None, None, None)
    iteration = iteration_of(loop, stepper, loop.scheme.budget(problem.frame), key, SINGLE, carried)
    rows, restore = as_rows(carried, loop.block)
    rows = list(rows)
    trajectories = jnp.arange(loop.block, dtype=jnp.uint32)
    interval = Interval(jnp.float32(0), jnp.float32(problem.grid.lengths[0]), jnp.int32(0))
    for index in range(steps // drawing(loop)[1]):
        rows = iteration(iteration.numbers, interval, trajectories, jnp.int32(index), rows)
    return restore(jnp.stack(rows))[0]


def _differences(one, other):
    """The largest of every column."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return np.max([np.abs(np.asarray(a) - np.asarray(b)).max(axis=0) for a, b in pairs], axis=0)


def _check_registers(problem, steps=20):
    steps //= 2 if problem.loop.scheme.doubles_steps else 1
    wanted, state = _prepared(problem, jnp.int32(steps))
    assert _differences(wanted, state).max() > 0.01
    _check(_differences(_by_registers(problem, state, steps), wanted))


def _check(errors):
    assert np.median(errors) <= MEDIAN and (errors > LARGEST).sum() <= MOST_BEYOND, (np.median(errors), errors.max())


SMALL = [
    name for name, build in PROBLEMS.items() if "cavity" not in name and "trap" not in name and "brown" not in name
]
QUICK = {
    ("oqt", "strang"), ("any operators, complex noise", "extrapolated"),
    ("driven sui", "euler"),
}  # fmt: skip
PAIRS = [
    pytest.param(name, scheme, marks=[] if (name, scheme) in QUICK else pytest.mark.release)
    for name in SMALL
    for scheme in SCHEMES
]


@pytest.mark.parametrize("name, scheme", PAIRS)
@pytest.mark.sweep(1)
def test_one_number_after_another_makes_the_same_trajectories(name, scheme):
    problem = _of_registry(name, scheme)
    if sq.schemes.Strang().requires(PROBLEMS[name]().equation) and "strang" in scheme:
        pytest.skip("another scheme's")
    _check_registers(problem, 4 if (name, scheme) in QUICK or _is_long(problem) else 20)


def _is_long(problem):
    """Whether a step takes more operations than are worth repeating; those too many to be counted are."""
    try:
        return which_loop.operations_per_step(problem) > 5000
    except Unsupported:
        return True


@pytest.mark.parametrize("antithetic", [False, True])
def test_as_an_accelerator_traces_it(antithetic):
    """With pairs of steps that share their draws, and with images."""
    problem = PROBLEMS["suv, two levels"]()
    with forced(True):
        built = _build(problem.equation, problem.psi0, sq.schemes.Strang(), block=32, antithetic=antithetic)
        assert built.loop.paired
        _check_registers(built, 6)


def test_a_flipped_sign_in_the_complex_product_is_caught(monkeypatch):
    def flipped(a, b):
        return arithmetic.Complex(
            arithmetic.add(arithmetic.multiply(a.real, b.real), arithmetic.multiply(a.imag, b.imag)),
            arithmetic.add(arithmetic.multiply(a.real, b.imag), arithmetic.multiply(a.imag, b.real)),
        )

    monkeypatch.setattr(arithmetic, "_complex_product", flipped)
    with pytest.raises(AssertionError):
        _check_registers(_of_registry("oqt", "strang"), 4)


QUBIT = sq.systems.levels([[0.0, 0.7], [0.7, 0.3]])
LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])


def _watched():
    return sq.models.monitored(QUBIT, {"light": sq.measurement.homodyne(LOWER, efficiency=0.6)})


KERNELS = {
    "suv, pairs of steps": lambda: _build(*_small("suv, two levels"), times=(0, 0.2, 0.4), block=200),
    "suv, steps of two lengths": lambda: _build(*_small("suv, two levels"), 0.1, (0, 0.31, 0.6), 130),
    "homodyne, record": lambda: _build(
        _watched(), [0.6, 0.8j], sq.schemes.Strang(), times=(0, 0.2, 0.6), block=64, records=True
    ),
    "homodyne, discrete, images": lambda: _build(
        _watched(), [0.6, 0.8j], sq.schemes.Strang(increments="discrete"), times=(0, 0.2, 0.4), antithetic=True
    ),
    "oqt": lambda: _build(*_small("oqt"), times=(0, 0.1, 0.2), block=96),
}


def _small(name):
    problem = PROBLEMS[name]()
    return problem.equation, problem.psi0, sq.schemes.Strang()


@eqx.filter_jit
def _seen(problem):
    def observe(closed):
        return {"states": closed[0]}

    loop, first = problem.loop, jnp.uint32(7)
    return run_block(loop, problem.frame, problem.grid, problem.psi0, jnp.asarray(problem.key), first, observe)


# What takes long to compile here.
LONG = {"homodyne, record", "homodyne, discrete, images", "oqt", "suv, steps of two lengths"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.release if name in LONG else []) for name in KERNELS]
)
def test_the_kernel_makes_the_same_trajectories(name):
    problem = KERNELS[name]()
    threads = problem._replace(loop=problem.loop._replace(threads=which_loop.THREADS))
    wanted, found = _seen(problem), _seen(threads)
    assert set(found) == set(wanted) and found["states"].shape[-1] == problem.loop.columns
    for part in wanted:
        one, other = (
            np.moveaxis(np.asarray(seen[part]), 0, 1).reshape(-1, seen[part].shape[-1]) for seen in (wanted, found)
        )
        errors = np.abs(one - other).max(axis=0)
        _check(errors)
    assert np.ptp(np.abs(np.asarray(found["states"][-1][0]))) > 0.01


@pytest.fixture
def on_cuda(monkeypatch):
    """As if there were a card: its kernel is interpreted here."""
    monkeypatch.setattr(which_loop, "_on_cuda", lambda: True)
    monkeypatch.setenv(which_loop.SWITCH, "1")


def _run(**changes):
    equation = sq.models.suv(sq.systems.levels([[0.5, 0.3], [0.3, -0.5]]), strength=1.0)
    given = {"observables": {"p": [1, 0]}, "trajectories": 600, "dt": 0.1, "scheme": sq.schemes.Strang(), **changes}
    return sq.simulate(given.pop("equation", equation), [0.6, 0.8], [0, 0.5], **given)


def test_a_run_by_threads(on_cuda, monkeypatch):
    found = _run()
    assert found.info["loop"] == "one kernel between two saved times, a thread for each trajectory"
    monkeypatch.delenv(which_loop.SWITCH)
    wanted = _run()
    why = "the persistent kernel is off unless STOCHQ_PERSISTENT=1, which takes it where it can"
    assert wanted.info["loop"] == f"one step after another: {why}"
    np.testing.assert_allclose(found.mean["p"], wanted.mean["p"], atol=1e-5)
    np.testing.assert_allclose(found.stderr["p"], wanted.stderr["p"], rtol=1e-3, atol=1e-9)


def _with_clicks():
    watched = {"light": sq.measurement.homodyne(LOWER.T), "click": sq.measurement.counting(LOWER)}
    return sq.models.monitored(QUBIT, watched)


def _coloured():
    colour = sq.noise.OrnsteinUhlenbeck(0.5)
    return sq.models.unravel(QUBIT, [np.array([0.0, 1.2])], noise="unitary", colour=colour)


REFUSED = {
    "holds states in single precision": (_watched, {"precision": "double"}),
    "draws white noise, and this is coloured": (_coloured, {}),
    "a step needs the operation while": (_with_clicks, {}),
    "remembers no times of clicks": (_with_clicks, {"records": True, "clicks": 4}),
    "carries no density matrices": (_watched, {"conditional": True}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_other_steps_are_made_one_by_one_and_why(on_cuda, monkeypatch, reason):
    equation, more = REFUSED[reason]
    problem = _build(equation(), [0.6, 0.8], sq.schemes.Strang(), **more)
    assert problem.loop.threads is None
    told = which_loop.told(problem)
    assert told.startswith("one step after another: ") and reason in told
    which_loop.check_loop(problem)
    monkeypatch.setenv(which_loop.SWITCH, "must")
    with pytest.raises(ValueError, match=f"STOCHQ_PERSISTENT: expected .*{reason}"):
        which_loop.check_loop(problem)


def test_a_run_that_must_take_the_kernel_and_cannot(on_cuda, monkeypatch):
    monkeypatch.setenv(which_loop.SWITCH, "must")
    with pytest.raises(ValueError, match="STOCHQ_PERSISTENT: expected .* single precision"):
        _run(precision="double")


def test_steps_of_many_operations_are_made_one_by_one(on_cuda, monkeypatch):
    problem = _build(*_small("oqt"))
    operations = which_loop.operations_per_step(problem)
    monkeypatch.setattr(which_loop, "MOST_OPERATIONS", operations - 1)
    told = which_loop.told(problem._replace(loop=problem.loop._replace(threads=None)))
    assert f"takes {operations} operations, of which the persistent kernel makes up to {operations - 1}" in told
    monkeypatch.setattr(which_loop, "MOST_OPERATIONS", operations)
    assert _build(*_small("oqt")).loop.threads == which_loop.THREADS


@pytest.mark.parametrize("name, stride", [("oqt", 1), ("suv, two levels", 2)])
def test_far_too_many_operations_are_not_written(on_cuda, monkeypatch, name, stride):
    """Counted are the operations that are written, as they are; a pair of steps may have twice those of one."""
    written = []
    init = Node.__init__

    def counting(node, operation=None, operands=()):
        written.append(operation is not None)
        init(node, operation, operands)

    monkeypatch.setattr(Node, "__init__", counting)
    monkeypatch.setattr(which_loop, "_COUNTED", {})
    with forced(True):
        problem = _build(*_small(name))
        assert drawing(problem.loop)[1] == stride
        whole = sum(written)
        written.clear()
        monkeypatch.setattr(which_loop, "MOST_OPERATIONS", 50)
        monkeypatch.setattr(which_loop, "_COUNTED", {})
        told = which_loop.told(problem._replace(loop=problem.loop._replace(threads=None)))
    assert "a step needs more than 100 operations, for which the persistent kernel is not made" in told
    assert whole > 2 * sum(written) and sum(written) == 100 * stride + 1


def test_levels_that_fill_the_registers_are_not_counted(on_cuda, monkeypatch):
    def built(levels):
        equation = sq.models.suv(sq.systems.levels(np.linspace(0.0, 1.0, levels)), strength=1.0)
        return _build(equation, np.eye(levels)[0], sq.schemes.Strang(), block=32)

    monkeypatch.setattr(which_loop, "operations_per_step", lambda problem: 1)
    assert "holds up to 64 levels, not 65" in which_loop.told(built(65))
    assert built(64).loop.threads == which_loop.THREADS


def test_a_fault_of_the_rewriting_costs_speed_alone(on_cuda, monkeypatch):
    def fail(problem):
        raise TypeError("made up")

    monkeypatch.setattr(which_loop, "_count_operations", fail)
    monkeypatch.setattr(which_loop, "_COUNTED", {})
    assert "a step needs what was not foreseen (TypeError: made up), for which the" in _run().info["loop"]


def test_without_what_kernels_of_jax_need_steps_are_made_one_by_one(on_cuda, monkeypatch):
    """absl-py, of which JAX's own installation knows nothing."""
    monkeypatch.setitem(sys.modules, "stochq.ensemble.persistent", None)
    problem = _build(*_small("suv, two levels"))
    assert problem.loop.threads is None
    assert "the persistent kernel is made, is not complete here: " in which_loop.told(problem)


def test_runs_without_steps_or_with_gradients_take_no_kernel(monkeypatch):
    watched = sq.models.unravel(QUBIT, [LOWER], noise="jump")
    run = {"observables": {"p": [1, 0]}, "trajectories": 20}
    assert sq.simulate(watched, [0.6, 0.8], [0, 0.5], **run).info["loop"] == "from click to click, without steps"
    monkeypatch.setenv(which_loop.SWITCH, "must")
    with pytest.raises(ValueError, match="^STOCHQ_PERSISTENT: expected '1', .* with jumps alone, .*; got 'must'"):
        sq.simulate(watched, [0.6, 0.8], [0, 0.5], **run)
    with pytest.raises(ValueError, match="^STOCHQ_PERSISTENT: expected '1', .* with sq.expectations, .*; got 'must'"):
        sq.expectations(sq.models.suv(QUBIT, strength=1.0), [0.6, 0.8], [0, 0.5], dt=0.1, **run)


def test_what_is_no_state_vector_takes_no_kernel(monkeypatch):
    """It would say nothing of the switch otherwise."""
    gas = sq.models.fermion_gas(sq.systems.particle(16, 8.0, 1.0), rate=0.5, length=1.0)
    damped = sq.gaussian.Dynamics([[-0.5, 1], [-1, -0.5]], [[1, 0], [0, 1]])
    monkeypatch.setenv(which_loop.SWITCH, "must")
    with pytest.raises(ValueError, match="^STOCHQ_PERSISTENT: expected '1', .* with Slater determinants; got 'must'"):
        sq.simulate_fermions(gas, gas.fermi_sea(3), [0, 1], trajectories=20, dt=0.5)
    with pytest.raises(ValueError, match="^STOCHQ_PERSISTENT: .* with trajectories in phase space; got 'must'"):
        sq.gaussian.langevin(damped, sq.gaussian.State([0, 0], np.eye(2)), [0, 1], trajectories=20)


def test_without_a_card(monkeypatch):
    monkeypatch.setenv(which_loop.SWITCH, "1")
    told = which_loop.told(_build(*_small("oqt")))
    assert told == "one step after another: the persistent kernel needs a CUDA device"
    monkeypatch.setenv(which_loop.SWITCH, "yes")
    with pytest.raises(ValueError, match="STOCHQ_PERSISTENT: expected '0', '1' or 'must'; got 'yes'"):
        _build(*_small("oqt"))


def test_operations_are_counted_once_of_problems_that_differ_in_numbers(monkeypatch):
    def built(levels, strength):
        equation = sq.models.suv(sq.systems.levels(np.linspace(0.0, 1.0, levels)), strength=strength)
        return _build(equation, np.eye(levels)[0], sq.schemes.Strang(), block=32)

    count = which_loop.operations_per_step(built(2, 1.0))

    def refuse(problem):
        raise AssertionError("counted again")

    monkeypatch.setattr(which_loop, "_count_operations", refuse)
    assert which_loop.operations_per_step(built(2, 0.7)) == count > 0
    with pytest.raises(Unsupported, match="counted again"):
        which_loop.operations_per_step(built(3, 1.0))
