"""Functions of small arrays, rewritten as arithmetic on single numbers, against the same written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from stochq.ensemble.registers import Interval, Iteration, Unsupported, as_rows
from stochq.noise.phases import unit_phase

RNG = np.random.default_rng(1)
MATRIX = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
WEIGHTS = RNG.uniform(0.5, 1.5, size=3)
# Of five trajectories.
STATES = RNG.normal(size=(3, 5)) + 1j * RNG.normal(size=(3, 5))


def _rewritten(function, shared=(), states=STATES, iterations=1):
    """`function(shared, psi)` of every column, by an iteration that is made of it."""
    block = states.shape[1]
    carried = jnp.asarray(states, jnp.complex64)
    shared = jax.tree.map(lambda array: jnp.asarray(array, jnp.result_type(array)), shared)

    def iterate(shared, interval, trajectory, index, psi):
        return function(shared, psi)

    iteration = Iteration(iterate, shared, carried, block, np.dtype(np.float32))
    rows, restore = as_rows(carried, block)
    rows = list(rows)
    for index in range(iterations):
        zero = jnp.float32(0)
        found = iteration(iteration.numbers, Interval(zero, zero, 0), jnp.arange(block), jnp.int32(index), rows)
        rows = [jnp.broadcast_to(row, (block,)) for row in found]
    return np.asarray(restore(jnp.stack(rows))), iteration


def _sweep(shared, psi):
    """A loop over levels from the last to the first, which carries a sum and picks by its index."""

    def visit(total, row):
        index, weight = row
        total = total + weight * psi[index]
        return total, jnp.where(index % 2 == 0, total, -total) * (index + 1)

    rows = jnp.arange(3), shared
    return lax.scan(visit, jnp.zeros_like(psi[0]), rows, reverse=True)[1]


def _swept(weights, psi):
    total, out = 0, np.zeros_like(psi)
    for index in (2, 1, 0):
        total = total + weights[index] * psi[index]
        out[index] = total * (index + 1) * (-1) ** index
    return out


def _chosen(shared, psi):
    """Comparisons, bits, whole numbers and truth values."""
    likely = jnp.abs(psi.real) > shared[:, None]
    bits = (psi.imag > 0).astype(jnp.uint32) << np.uint32(2) | np.uint32(1)
    scaled = jnp.where(likely & ~(psi.imag > 1), psi, -2j * psi)
    return scaled * bits.astype(jnp.float32) + jnp.any(likely, axis=0, keepdims=True)


def _chosen_by_numpy(weights, psi):
    likely = np.abs(psi.real) > weights[:, None]
    scaled = np.where(likely & ~(psi.imag > 1), psi, -2j * psi)
    return scaled * np.where(psi.imag > 0, 5, 1) + likely.any(axis=0)


CASES = {
    "matrix": (lambda m, psi: m @ psi, lambda m, psi: m @ psi, MATRIX),
    "quotients and powers": (
        lambda w, psi: (1 / psi + psi.conj() / w[:, None] + psi**3) / jnp.sqrt(psi.real**2 + psi.imag**2),
        lambda w, psi: (1 / psi + psi.conj() / w[:, None] + psi**3) / np.abs(psi),
        WEIGHTS,
    ),
    "functions": (
        lambda w, psi: lax.complex(jnp.exp(psi.real) * jnp.cos(w[:, None] * psi.imag), lax.rsqrt(psi.imag**2 + 1)),
        lambda w, psi: np.exp(psi.real) * np.cos(w[:, None] * psi.imag) + 1j / np.sqrt(psi.imag**2 + 1),
        WEIGHTS,
    ),
    "phases": (
        lambda w, psi: unit_phase(psi.real * w[:, None]) * unit_phase(psi.imag),
        lambda w, psi: np.exp(1j * (psi.real * w[:, None] + psi.imag)),
        np.array([9, -30, 100]),
    ),
    "differences from one": (
        lambda w, psi: lax.complex(*(f(psi.real * w) * 1e4 for f in (jnp.expm1, jnp.log1p))),
        lambda w, psi: (np.expm1(psi.real * w) + 1j * np.log1p(psi.real * w)) * 1e4,
        np.array([[1e-4], [1e-9], [0.3]]),
    ),
    "sums and order": (
        lambda _, psi: lax.cumsum(psi.real, axis=0, reverse=True) + 1j * jnp.max(psi.imag, axis=0, keepdims=True),
        lambda _, psi: np.cumsum(psi.real[::-1], axis=0)[::-1] + 1j * psi.imag.max(axis=0, keepdims=True),
        (),
    ),
    "batches": (
        lambda m, psi: jnp.einsum("bij,jb->ib", jnp.stack([psi[:1].T * m] * 1), psi),
        lambda m, psi: psi[0] * (m @ psi),
        MATRIX,
    ),
    "loop": (_sweep, _swept, WEIGHTS),
    "choices": (_chosen, _chosen_by_numpy, WEIGHTS),
    "places": (
        lambda w, psi: lax.scan(lambda out, row: (out.at[row].set(w[row] * out[2 - row]), None), psi, jnp.arange(3))[0],
        lambda w, psi: np.stack([w[0] * psi[2], w[1] * psi[1], w[2] * w[0] * psi[2]]),
        WEIGHTS,
    ),
    "single numbers": (
        lambda _, psi: jnp.stack([each * jnp.min(psi.real, initial=0.5) for each in jnp.unstack(psi[:, 0])])[:, None],
        lambda _, psi: psi * min(psi.real.min(), 0.5),
        (),
    ),
    "pieces": (
        lambda w, psi: jnp.concatenate([psi[1:], lax.dynamic_update_slice(psi, w[:1, None] * psi[2:], (0, 0))[:1]]),
        lambda w, psi: np.concatenate([psi[1:], w[0] * psi[2:]]),
        WEIGHTS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_rewritten_is_what_was_meant(name):
    function, by_numpy, shared = CASES[name]
    found, _ = _rewritten(function, shared)
    wanted = np.stack([by_numpy(shared, STATES[:, [column]])[:, 0] for column in range(5)], axis=1)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


def test_what_is_the_same_for_all_is_evaluated_outside():
    """Of a product of matrices, its exponential and its application the last is left: nine products of a real number
    and a complex one, and six sums of complex ones."""

    def step(shared, psi):
        return lax.complex(*(jnp.exp((shared @ shared.conj().T).real) @ part for part in (psi.real, psi.imag)))

    found, iteration = _rewritten(step, MATRIX, iterations=2)
    matrix = np.exp((MATRIX @ MATRIX.conj().T).real)
    np.testing.assert_allclose(found, matrix @ (matrix @ STATES), rtol=2e-5)
    assert iteration.operations == 9 * 2 + 6 * 2


def test_a_product_with_what_is_known_to_be_nothing_is_not_made():
    _, iteration = _rewritten(lambda _, psi: psi * np.complex64(1j) * np.float32(1) + np.float32(0))
    # A sign for each of three levels: i(a + ib) = −b + ia.
    assert iteration.operations <= 6


def test_a_product_of_complex_numbers_takes_six_operations():
    _, iteration = _rewritten(lambda _, psi: psi * psi[::-1])
    assert iteration.operations == 3 * 6


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda _, psi: jnp.sort(psi.real, axis=0) + 0j, "sort"),
        (lambda _, psi: psi * jnp.arcsinh(psi.real), "asinh"),
        (lambda _, psi: psi * lax.dynamic_slice(psi, (jnp.argmax(psi.real[:, 0]), 0), (1, 1)), "arg"),
        (lambda _, psi: lax.while_loop(lambda x: jnp.any(x.real > 0), lambda x: x - 1, psi), "while"),
        (lambda _, psi: jnp.fft.fft(psi, axis=0), "fft"),
    ],
)
def test_what_a_thread_cannot_do_is_named(function, message):
    with pytest.raises(Unsupported, match=message):
        _rewritten(function)


def test_a_state_of_other_numbers_is_refused():
    with pytest.raises(Unsupported, match="int32"):
        Iteration(lambda *all: all[-1], (), jnp.zeros((2, 4), jnp.int32), 4, np.dtype(np.float32))


def test_rows_come_back_as_they_were():
    carried = {"pair": jnp.asarray(STATES[:, :4], jnp.complex64), "sums": jnp.arange(6.0).reshape(3, 2)}
    rows, restore = as_rows(carried, 2)
    assert rows.shape == (2 * 6 + 3, 2)
    # Trajectory 1 and its image, which is column 3, in neighbouring rows.
    np.testing.assert_allclose(rows[:4, 1], [*_parts(STATES[0, 1]), *_parts(STATES[0, 3])], rtol=1e-6)
    for name, array in restore(rows).items():
        np.testing.assert_array_equal(array, carried[name])


def _parts(number):
    return number.real, number.imag


def test_bits_of_one_type_of_integers_become_those_of_another_by_conversion():
    """Mosaic's own operation (jax 0.11) leaves numbers unsigned: on a card turns of [0, 1) came out for [-1/2, 1/2)."""
    words = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 5], np.uint32)

    def iterate(shared, interval, trajectory, index, carried):
        signed = lax.bitcast_convert_type(trajectory, jnp.int32).astype(jnp.float32)
        return carried + signed[None] + lax.bitcast_convert_type(np.uint32(2**32 - 7), jnp.int32).astype(jnp.float32)

    carried = jnp.zeros((1, len(words)), jnp.float32)
    iteration = Iteration(iterate, (), carried, len(words), np.dtype(np.float32))

    def compute(words):
        zero = jnp.float32(0)
        return iteration(iteration.numbers, Interval(zero, zero, 0), words, jnp.int32(0), list(carried))[0]

    np.testing.assert_array_equal(compute(jnp.asarray(words)), words.view(np.int32).astype(np.float32) - np.float32(7))
    names = [equation.primitive.name for equation in jax.make_jaxpr(compute)(jnp.asarray(words)).eqns]
    assert "bitcast_convert_type" not in names and "convert_element_type" in names
