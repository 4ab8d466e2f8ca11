"""The accelerator's branch, forced on a processor: fewer loops, the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import stochq as sq
from stochq import accelerators, compiling
from stochq.accelerators import ONE_GRAPH, call_options, on_accelerator, repeat, scan
from stochq.channels.born import draw_level
from stochq.channels.flows.collapse import draw_index
from stochq.compiling import CompiledPrograms, Program
from stochq.noise import seed_words
from stochq.noise.counter import draw_step
from stochq.schemes import frame_of
from tests.problems import PROBLEMS, hermitian, state

COLUMNS, STEPS, DT = 64, 3, 0.02


def _digits(number, carried):
    """Not commutative: an order that is another, or a row that is left out, is seen."""
    return (3 * carried + number) % 10007


@pytest.mark.parametrize("count", [0, 1, 5, 8, 19])
@pytest.mark.parametrize("answer", [False, True])
def test_loops_of_any_length_are_those_of_python(count, answer):
    numbers = np.arange(count, dtype=np.int32) ** 2
    forwards, backwards, carried = 1, 1, []
    for number in numbers.tolist():
        forwards = _digits(number, forwards)
        carried.append(forwards)
    for number in numbers[::-1].tolist():
        backwards = _digits(number, backwards)

    def body(total, number):
        total = _digits(number, total)
        return total, total

    rows = jnp.asarray(numbers)
    with accelerators.forced(answer):
        assert int(repeat(count, lambda index, total: _digits(index * index, total), jnp.int32(1), 8)) == forwards
        total, seen = scan(body, jnp.int32(1), rows, 8)
        assert int(scan(body, jnp.int32(1), rows, 8, reverse=True)[0]) == backwards
    assert int(total) == forwards and seen.tolist() == carried


@pytest.mark.parametrize(("together", "copies", "at_a_time"), [(16, 1, 16), (16, 2, 8), (1, 2, 1)])
def test_loops_in_copies_take_fewer_rows_at_a_time(together, copies, at_a_time):
    def unrolled():
        with accelerators.in_copies(copies):
            program = jax.make_jaxpr(lambda rows: scan(lambda x, row: (x * row, None), 1.0, rows, together)[0])
            (loop,) = program(jnp.ones(64)).eqns
        return loop.params["unroll"]

    assert unrolled() == 1
    with accelerators.forced(True):
        assert unrolled() == at_a_time


@pytest.mark.release
def test_two_steps_of_one_program_are_two_copies(monkeypatch):
    """SUI's sweeps, which stand in it twice, against those of OQT, which draws for one step at a time."""
    seen = []
    monkeypatch.setattr(accelerators, "_at_a_time", lambda count, together: seen.append((count, together)) or 1)
    sui_levels, oqt_levels = sq.systems.levels([[0.0, 0.4], [0.4, 0.3]]), sq.systems.levels([0.0, 0.3, 0.7, 1.0])
    sui = sq.models.sui(sui_levels, reduction=0.5, thermalization=0.4, equilibrium=[0.7, 0.3])
    oqt = sq.models.oqt(oqt_levels, strength=0.4, equilibrium=[0.4, 0.3, 0.2, 0.1])
    for equation, together in ((sui, 8), (oqt, 16)):
        seen.clear()
        first = np.eye(equation.dim)[0]
        with accelerators.forced(True):
            sq.simulate(equation, first, [0.0, 0.5], observables={"p": first}, trajectories=64, dt=0.05)
        assert (equation.dim, together) in seen


def _loops(answer):
    """Loops in the program of one draw from ten levels."""
    with accelerators.forced(answer):
        draw = jax.jit(lambda weights, uniform: draw_level(weights, uniform))
        return draw.lower(jnp.ones((10, 4)), jnp.ones(4)).as_text().count("stablehlo.while")


def test_levels_are_a_loop_on_a_processor_alone():
    assert (_loops(False), _loops(True)) == (1, 0)


@pytest.mark.parametrize("levels", [7, 64, 100])
def test_drawn_levels_are_the_same_bit_for_bit(levels):
    rng = np.random.default_rng(levels)
    # Sums of eighths have no rounding, so that every level's bounds are known.
    weights = rng.integers(0, 8, (levels, COLUMNS)).astype(np.float32)
    uniform = (1 + rng.integers(0, 8, COLUMNS).astype(np.float32)) / 8
    ends = np.cumsum(weights, axis=0)
    expected = (weights.sum(axis=0) * uniform > ends).sum(axis=0)
    for answer in (False, True):
        with accelerators.forced(answer):
            index, inside = jax.jit(lambda weights, uniform: draw_level(weights, uniform))(weights, uniform)
        np.testing.assert_array_equal(index, expected)
        before = np.take_along_axis(ends - weights, expected[None], 0)[0]
        np.testing.assert_array_equal(inside, weights.sum(axis=0) * uniform - before)


def test_drawn_groups_of_levels_are_the_same():
    rng = np.random.default_rng(3)
    weights = rng.integers(0, 8, (70, COLUMNS)).astype(np.float32)
    uniform = (1 + rng.integers(0, 8, COLUMNS).astype(np.float32)) / 8
    # Away from the bounds of the levels, which are whole numbers.
    uniform = (np.ceil(weights.sum(axis=0) * uniform) - 0.5) / weights.sum(axis=0)
    expected = (weights.sum(axis=0) * uniform > np.cumsum(weights, axis=0)).sum(axis=0)
    for answer in (False, True):
        with accelerators.forced(answer):
            drawn = jax.jit(lambda weights, uniform: draw_index(weights, uniform))(weights, uniform.astype(np.float32))
        np.testing.assert_array_equal(np.asarray(drawn).argmax(axis=0), expected)
        np.testing.assert_array_equal(np.asarray(drawn).sum(axis=0), 1)


def _oqt(levels):
    return sq.models.oqt(
        sq.systems.levels(np.arange(levels) / levels), strength=1.0, equilibrium=np.ones(levels) / levels
    )


EQUATIONS = {
    "sui, rotated basis, ħ = 0.7": (lambda: PROBLEMS["sui, rotated basis, ħ = 0.7"]().equation, {}),
    "bath: rate matrix and sources": (lambda: PROBLEMS["bath: rate matrix and sources"]().equation, {}),
    "bath, diffusive": (lambda: PROBLEMS["bath: rate matrix and sources"]().equation, {"diffusive": True}),
    "oqt, complex noise": (lambda: PROBLEMS["oqt, complex noise"]().equation, {}),
    "oqt, diffusive": (lambda: _oqt(5), {"diffusive": True}),
    "suv of five levels": (lambda: sq.models.suv(sq.systems.levels(hermitian(5, 1)), strength=1.0), {}),
}


def _path(equation, scheme, answer):
    """(dim, COLUMNS) after some steps in double precision, in which no drawn index depends on rounding."""
    frame, key, trajectories = frame_of(equation), jnp.asarray(seed_words(7)), jnp.arange(COLUMNS, dtype=jnp.uint32)
    budget, start = scheme.budget(frame), jnp.zeros(())

    def run(psi):
        stepper = scheme.prepare(frame, jnp.asarray(DT))

        def step(index, carried):
            noise = draw_step(key, trajectories, index.astype(jnp.uint32), budget, np.dtype(np.float64))
            return stepper.step(start, carried, noise)

        return stepper.extract(start, lax.fori_loop(0, STEPS, step, stepper.init(start, (psi,))))[0]

    psi = jnp.broadcast_to(jnp.asarray(state(equation.dim, 3))[:, None], (equation.dim, COLUMNS))
    with accelerators.forced(answer):
        return np.asarray(jax.jit(run)(psi))


LONG = {"sui, rotated basis, ħ = 0.7", "bath, diffusive", "oqt, diffusive"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.release] * (name in LONG)) for name in EQUATIONS]
)
@pytest.mark.sweep(1)
def test_paths_are_the_same_to_rounding(name, monkeypatch):
    """Two levels at a time, as XLA's compiler for processors takes long for more."""
    monkeypatch.setattr(accelerators, "_at_a_time", lambda count, _: min(count, 2) if on_accelerator() else 1)
    build, options = EQUATIONS[name]
    with jax.enable_x64(True):
        one, other = (_path(build(), sq.schemes.Strang(**options), answer) for answer in (False, True))
    # Unlike each other, or nothing would be compared.
    assert np.std(np.abs(one), axis=1).max() > 1e-3
    np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.release
def test_a_run_whose_numbers_are_carried_apart_is_the_same(monkeypatch):
    """Half a sweep, a collapse and the other half, in antithetic pairs on an even grid."""
    monkeypatch.setattr(accelerators, "_at_a_time", lambda count, together: 1)
    levels = sq.systems.levels([[0.0, 0.4], [0.4, 0.3]])
    equation = sq.models.sui(levels, reduction=0.5, thermalization=0.4, equilibrium=[0.7, 0.3])
    options = {"observables": {"p": [1.0, 0.0]}, "trajectories": 64, "dt": 0.05, "precision": "double"}

    def run(answer):
        with accelerators.forced(answer):
            return sq.simulate(equation, [0.6, 0.8], [0.0, 0.5], antithetic=True, progress=False, **options)

    one, other = run(False), run(True)
    np.testing.assert_allclose(one.mean["p"], other.mean["p"], rtol=1e-8)
    np.testing.assert_allclose(one.stderr["p"], other.stderr["p"], rtol=1e-8)


@pytest.fixture
def programs(monkeypatch):
    kept = CompiledPrograms(9)
    monkeypatch.setattr(compiling, "PROGRAMS", kept)
    return kept


def _answer(tree):
    return tree[0] + (1.0 if on_accelerator() else 0.0)


def test_a_forced_branch_is_not_served_from_the_memory_of_the_other(programs):
    def call(answer):
        with accelerators.forced(answer):
            return float(Program(_answer, (jnp.float32(0),))())

    assert [call(answer) for answer in (False, True, False, True)] == [0, 1, 0, 1]
    assert programs.built == 2


def test_one_graph_is_asked_for_by_a_variable_and_on_accelerators_alone(programs, monkeypatch):
    monkeypatch.delenv(ONE_GRAPH, raising=False)
    with accelerators.forced(True):
        assert call_options(8) == {}
    monkeypatch.setenv(ONE_GRAPH, "1")
    assert call_options(8) == {}
    with accelerators.forced(True):
        asked = call_options(8)
        assert "WHILE" in asked["xla_gpu_enable_command_buffer"].split(",")
        # A processor takes the options, and leaves them alone.
        values = [float(Program(_answer, (jnp.float32(0),), options=options)()) for options in (asked, {}, asked)]
    assert values == [1, 1, 1] and programs.built == 2


def test_sums_over_long_states_are_loops_of_the_processor():
    """XLA of jaxlib 0.10 has the option; of one that has it not nothing is asked. Read in the program's text."""
    options = call_options(2**13)
    assert call_options(2**12) == {} and len(options) == 1
    assert not accelerators._are_known((("xla_cpu_no_such_option", "1"),))
    weight = jax.jit(lambda x: jnp.exp(x - jnp.max(x))).lower(jnp.zeros((2**13, 1), jnp.float32))
    assert "__ynn_fusion" in str(weight.compile().as_text())
    assert "__ynn_fusion" not in str(weight.compile(options).as_text())
