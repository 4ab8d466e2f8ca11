"""Loops in one piece of machine code give what the same operations give without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stochq.channels import Separable
from stochq.channels.arrivals import OwnCollapse
from stochq.compiling import MANY, by_rows, in_one_piece
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
        channel.flow_budget("real"),
        np.dtype(np.float32),
    )
    psi = jnp.broadcast_to(jnp.asarray(normalize(np.ones(16)), np.complex64)[:, None], (16, len(COLUMNS)))

    def flow(psi, noise):
        return channel.flow(jnp.zeros(()), jnp.float32(0.1), psi, noise, "real", False)

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
