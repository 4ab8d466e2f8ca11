"""Loops in one piece of machine code give what the same operations give without; so many programs are kept."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import stochq as sq
from stochq import compiling
from stochq.channels import Separable
from stochq.channels.flows.arrivals import OwnCollapse
from stochq.compiling import MANY_ROWS, CompiledPrograms, apart_backwards, by_rows, compiled, fused_on_cpu
from stochq.laws import law_of
from stochq.noise.counter import Budget, draw_step, seed_words
from stochq.systems.states import normalize

COLUMNS = np.arange(64, dtype=np.uint32)


def _affine(row, slope):
    return {"line": slope * row + 1, "square": row * row}


@pytest.mark.parametrize("count", [1, MANY_ROWS - 1, MANY_ROWS, 3 * MANY_ROWS])
def test_rows_one_by_one_are_rows_at_once(count):
    rows = jnp.asarray(np.random.default_rng(count).normal(size=(count, 5)), np.float32)
    got = jax.jit(lambda rows: by_rows(_affine, rows, jnp.float32(0.3)))(rows)
    expected = _affine(np.asarray(rows), np.float32(0.3))
    for name in expected:
        # A product and a sum may be made at once, with one rounding less.
        np.testing.assert_allclose(np.asarray(got[name]), expected[name], rtol=0, atol=4 * np.finfo(np.float32).eps * 9)


def test_no_rows_give_none():
    assert by_rows(_affine, jnp.zeros((0, 5)), 1.0)["line"].shape == (0, 5)


def test_many_draws_are_those_of_fewer():
    """A slot's numbers do not depend on how many are drawn beside it, one by one or at once."""
    dtype, key = np.dtype(np.float32), jnp.asarray(seed_words(5))
    few, many = Budget(complex_normals=MANY_ROWS - 2), Budget(complex_normals=4 * MANY_ROWS)
    drawn = [
        np.asarray(draw_step(key, jnp.asarray(COLUMNS), jnp.uint32(0), budget, dtype).complex_normals)
        for budget in (few, many)
    ]
    np.testing.assert_allclose(drawn[1][: MANY_ROWS - 2], drawn[0], rtol=1e-6)


def test_constants_are_no_worse_operands():
    """Operands that are known when the program is compiled: XLA ended the process where they came as they are."""
    channel = Separable(np.full(16, 0.1, np.float32))
    noise = draw_step(
        jnp.asarray(seed_words(1)),
        jnp.asarray(COLUMNS),
        jnp.uint32(0),
        channel.flow(law_of("real")).budget,
        np.dtype(np.float32),
    )
    psi = jnp.broadcast_to(jnp.asarray(normalize(np.ones(16)), np.complex64)[:, None], (16, len(COLUMNS)))

    def flow(psi, noise):
        return channel.flow(law_of("real")).step(jnp.float32(0.0), jnp.float32(0.1), psi, noise, None, False)[0]

    known = jax.jit(lambda: flow(psi, noise))()
    np.testing.assert_allclose(np.asarray(known), np.asarray(jax.jit(flow)(psi, noise)), atol=1e-6)


def test_one_piece_passes_derivatives():
    """Of what runs through it; the noise that is drawn in it has none."""
    gradient = jax.grad(lambda x: jnp.sum(fused_on_cpu(lambda x: jnp.sin(x) * x, x)))(jnp.arange(3.0))
    x = np.arange(3.0)
    np.testing.assert_allclose(np.asarray(gradient), np.sin(x) + x * np.cos(x), rtol=1e-6)


@pytest.mark.parametrize(("law", "kind"), [("real", "f"), ("complex", "c")])
def test_a_real_collapse_stays_real(law, kind):
    normal = jnp.ones(4) if law == "real" else jnp.ones(4) + 1j
    assert OwnCollapse.over(jnp.float32(0.1), law_of(law)).factor(normal).dtype.kind == kind


def test_a_loop_is_handed_to_the_processor_fused_on_cpu():
    """`xla_cpu_small_call` is not documented: this tells when a version of JAX or XLA takes it no longer."""
    rows = jnp.zeros((3 * MANY_ROWS, 5), np.float32)
    text = jax.jit(lambda rows: by_rows(_affine, rows, jnp.float32(0.3))).lower(rows).compile().as_text()
    main = text[text.index("ENTRY") :]
    call = next(line for line in main.splitlines() if " call(" in line)
    assert 'xla_cpu_small_call="true"' in call and " while(" not in main


def _squared_parts(x):
    return apart_backwards(jnp.square, apart_backwards(jnp.sin, x))


def test_gradients_are_handed_to_the_processor_fused_on_cpu_and_part_by_part():
    def loop(x):
        return lax.scan(lambda carry, _: (_squared_parts(carry), None), x, length=3)[0]

    gradient = jax.grad(lambda x: jnp.sum(fused_on_cpu(loop, x)))
    x, slope = np.linspace(0.1, 1.0, 5), 1.0
    value = x
    for _ in range(3):
        value, slope = np.sin(value) ** 2, slope * np.sin(2 * value)
    np.testing.assert_allclose(np.asarray(gradient(jnp.asarray(x))), slope, rtol=1e-5)
    text = jax.jit(gradient).lower(jnp.asarray(x)).compile().as_text()
    assert " while(" not in text[text.index("ENTRY") :]
    assert sum('inlineable="false"' in line and "small_call" not in line for line in text.splitlines()) >= 2


def _maps():
    gc.collect()
    with open("/proc/self/maps", "rb") as lines:
        return sum(1 for _ in lines)


def _simulated(levels, strength=1.0, precision="single"):
    equation = sq.models.suv(sq.systems.levels(np.zeros(levels)), strength=strength)
    psi, watched = normalize(np.ones(levels)), {"p": np.eye(levels)[0]}
    return sq.simulate(equation, psi, [0, 0.5], observables=watched, trajectories=8, dt=0.5, precision=precision).mean[
        "p"
    ]


@pytest.fixture
def programs(monkeypatch):
    """Room for two programs, both of it free."""
    kept = CompiledPrograms(2)
    monkeypatch.setattr(compiling, "PROGRAMS", kept)
    return kept


def test_programs_serve_other_numbers_and_not_other_shapes_or_precisions(programs):
    for count, run in enumerate(((11, 1.0), (12, 1.0)), start=1):
        for strength in (1.0, 2.0):
            _simulated(run[0], strength)
            assert len(programs) == count
    programs.clear()
    assert _simulated(3, precision="double").dtype == _simulated(3).dtype
    assert len(programs) == 2


def test_results_survive_the_dropping_of_programs(programs):
    before = [_simulated(levels) for levels in (11, 12, 13)]
    assert len(programs) == 2
    np.testing.assert_array_equal([_simulated(levels) for levels in (11, 12, 13)], before)


@pytest.mark.release
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_dropped_programs_give_their_memory_maps_back(programs):
    for levels in (14, 15):
        _simulated(levels)
    before = _maps()
    for levels in range(16, 20):
        _simulated(levels)
    assert _maps() - before < 150  # four programs hold about a thousand


def test_the_programs_used_last_are_kept():
    kept, built = CompiledPrograms(2), []

    def get(key):
        return kept.get(key, lambda: built.append(key) or key)

    assert [get(key) for key in "abacab"] == list("abacab")
    assert built == ["a", "b", "c", "b"]


def test_threads_that_ask_for_the_same_build_it_once():
    kept, built, all_there = CompiledPrograms(2), [], threading.Barrier(4)

    def build():
        built.append(1)
        return "program"

    def get(_):
        all_there.wait()
        return kept.get("key", build)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(get, range(4))) == ["program"] * 4
    assert len(built) == 1


def test_what_fails_is_not_kept():
    kept = CompiledPrograms(2)

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.get("key", fail)
    assert kept.get("key", lambda: "program") == "program"


def test_a_compiled_function_is_that_function():
    traced = []

    @compiled
    def scaled(numbers, name, factor):
        traced.append(name)
        return {name: factor * numbers[0] + numbers[1]}

    for factor in (2.0, 3.0):
        got = scaled((np.arange(3.0), np.ones(3)), "x", np.float32(factor))
        np.testing.assert_array_equal(np.asarray(got["x"]), factor * np.arange(3.0) + 1)
    assert traced == ["x"]
    assert list(scaled((np.arange(3.0), np.ones(3)), "y", np.float32(1))) == ["y"] and traced == ["x", "y"]
