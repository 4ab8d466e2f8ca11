"""Loops in one piece of machine code give what the same operations give without; programs make room for others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import stochq as sq
from stochq import compiling
from stochq.channels import Separable
from stochq.channels.flows.arrivals import OwnCollapse
from stochq.compiling import MANY, by_rows, in_one_piece
from stochq.ensemble import batch
from stochq.noise.counter import Budget, draw_step, seed_words
from stochq.systems.states import normalize

COLUMNS = np.arange(64, dtype=np.uint32)


def _affine(row, slope):
    return {"line": slope * row + 1, "square": row * row}


@pytest.mark.parametrize("count", [1, MANY - 1, MANY, 3 * MANY])
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
    few, many = Budget(pairs=MANY - 2), Budget(pairs=4 * MANY)
    drawn = [
        np.asarray(draw_step(key, jnp.asarray(COLUMNS), jnp.uint32(0), budget, dtype).pairs) for budget in (few, many)
    ]
    np.testing.assert_allclose(drawn[1][: MANY - 2], drawn[0], rtol=1e-6)


def test_constants_are_no_worse_operands():
    """Operands that are known when the program is compiled: XLA ended the process where they came as they are."""
    channel = Separable(np.full(16, 0.1, np.float32))
    noise = draw_step(
        jnp.asarray(seed_words(1)),
        jnp.asarray(COLUMNS),
        jnp.uint32(0),
        channel.flow("real").budget,
        np.dtype(np.float32),
    )
    psi = jnp.broadcast_to(jnp.asarray(normalize(np.ones(16)), np.complex64)[:, None], (16, len(COLUMNS)))

    def flow(psi, noise):
        return channel.flow("real").step(jnp.float32(0.1), psi, noise, None, False)

    known = jax.jit(lambda: flow(psi, noise))()
    np.testing.assert_allclose(np.asarray(known), np.asarray(jax.jit(flow)(psi, noise)), atol=1e-6)


def test_one_piece_passes_derivatives():
    """Of what runs through it; the noise that is drawn in it has none."""
    gradient = jax.grad(lambda x: jnp.sum(in_one_piece(lambda x: jnp.sin(x) * x, x)))(jnp.arange(3.0))
    x = np.arange(3.0)
    np.testing.assert_allclose(np.asarray(gradient), np.sin(x) + x * np.cos(x), rtol=1e-6)


@pytest.mark.parametrize(("law", "kind"), [("real", "f"), ("complex", "c")])
def test_a_real_collapse_stays_real(law, kind):
    normal = jnp.ones(4) if law == "real" else jnp.ones(4) + 1j
    assert OwnCollapse.over(jnp.float32(0.1), law).factor(normal).dtype.kind == kind


@pytest.fixture
def few_maps(tmp_path, monkeypatch):
    """A system with a limit of a hundred memory maps; the caller says how many are taken."""
    maps, limit = tmp_path / "maps", tmp_path / "limit"
    limit.write_text("100\n")
    monkeypatch.setattr(compiling, "MAPS", maps)
    monkeypatch.setattr(compiling, "LIMIT", limit)
    return lambda count: maps.write_text("a map\n" * count)


def test_programs_are_dropped_when_most_maps_are_taken(few_maps):
    traced = []

    @jax.jit
    def function(x):
        traced.append(x)
        return x + 1

    for maps, compilations, room in ((10, 1, False), (70, 2, True), (10, 2, False)):
        few_maps(maps)
        assert compiling.make_room() == room
        function(1.0)
        assert len(traced) == compilations


def test_a_system_without_such_a_limit_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "MAPS", tmp_path / "none")
    assert not compiling.make_room()


def test_an_ensemble_makes_room_for_a_new_program_and_not_for_other_numbers(few_maps, monkeypatch):
    counted = []
    monkeypatch.setattr(batch, "make_room", lambda: counted.append(1))
    few_maps(10)

    def run(levels, strength):
        equation = sq.models.suv(sq.systems.levels(np.zeros(levels)), strength=strength)
        psi = normalize(np.ones(levels))
        sq.simulate(equation, psi, [0, 0.5], observables={"p": np.eye(levels)[0]}, trajectories=8, dt=0.5)

    run(11, 1.0)
    first = len(counted)
    run(11, 2.0)
    assert len(counted) == first >= 1
    run(12, 1.0)
    assert len(counted) > first


def test_results_survive_the_dropping_of_programs(few_maps):
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    few_maps(10)

    def run():
        batch._known.clear()
        return sq.simulate(equation, [0.6, 0.8], [0, 1], observables={"p": [1, 0]}, trajectories=100, dt=0.5)

    before = run()
    few_maps(90)
    np.testing.assert_array_equal(run().mean["p"], before.mean["p"])
