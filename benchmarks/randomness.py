"""Quality of the raw random words along the directions in which a run uses them: classical tests with p-values."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine, report
from benchmarks.results import save
from benchmarks.word_tests import TESTS

# Words of each direction, and of the pieces in which they are made.
WORDS, PIECE = 2**28, 2**22
SEED = 2026
# A correct generator fails with this chance in a whole run: Holm's rule over all tests and directions.
LEVEL = 1e-3
# What stays the same while the other counter runs.
FIXED = 3


@jax.jit
def _of_slots(first: jax.Array) -> jax.Array:
    return _draws(_key(SEED), jnp.uint32(FIXED), _running(first))


@jax.jit
def _of_trajectories(first: jax.Array) -> jax.Array:
    return _draws(_key(SEED), _running(first), jnp.uint32(FIXED))


@jax.jit
def _of_seeds(first: jax.Array) -> jax.Array:
    running = _running(first)
    return _draws(jnp.stack([running, jnp.zeros_like(running)]), jnp.uint32(FIXED), jnp.uint32(FIXED))


def _key(seed: int) -> Any:
    from stochq.noise import seed_words

    return jnp.asarray(seed_words(seed))


def _running(first: jax.Array) -> jax.Array:
    return first + jnp.arange(PIECE // 2, dtype=jnp.uint32)


def _draws(key: Any, trajectory: jax.Array, slot: jax.Array) -> jax.Array:
    from stochq.noise import threefry

    counters = jnp.broadcast_arrays(trajectory, slot)
    return jnp.stack(jnp.broadcast_arrays(*threefry(key, *counters)), axis=-1)


DIRECTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "slots of one trajectory": _of_slots,
    "trajectories of one slot": _of_trajectories,
    "seeds of one draw": _of_seeds,
}


def pieces(make: Callable[[jax.Array], jax.Array], words: int) -> Iterator[np.ndarray]:
    """The stream as arrays (draws, 2) of words."""
    for piece in range(words // PIECE):
        yield np.asarray(make(jnp.uint32(piece * (PIECE // 2))))


def p_values(stream: Iterator[np.ndarray]) -> list[float]:
    """The p-value of every test of `TESTS`."""
    totals: list[Any] = [0] * len(TESTS)
    seen = 0
    for words in stream:
        for index, test in enumerate(TESTS):
            if not test.words or seen < test.words:
                totals[index] = totals[index] + test.count(words)
        seen += words.size
    return [test.p_value(total) for test, total in zip(TESTS, totals, strict=True)]


def holm(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted p-values: reject where one is below the level, and the chance of any false alarm is the level.

    >>> holm([0.01, 0.5, 0.02]).tolist()
    [0.03, 0.5, 0.04]
    """
    order = np.argsort(values)
    steps = np.asarray(values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def randomness() -> dict[str, Any]:
    """Run the battery, print one table, and write benchmarks/results/randomness.json."""
    begun = time.perf_counter()
    where = machine.describe()
    print(report.heading(where), flush=True)
    found = {name: p_values(pieces(make, WORDS)) for name, make in DIRECTIONS.items()}
    adjusted = holm([value for values in found.values() for value in values]).reshape(len(found), -1)
    rows = [
        {"direction": name, "test": test.name, "words": test.words or WORDS, "p_value": p, "adjusted": float(corrected)}
        for (name, values), corrections in zip(found.items(), adjusted, strict=True)
        for test, p, corrected in zip(TESTS, values, corrections, strict=True)
    ]
    seconds = round(time.perf_counter() - begun)
    results = {"machine": where | {"seconds": seconds}, "words": WORDS, "level": LEVEL, "rows": rows}
    print(table(found))
    print(verdict(results))
    save(results, "randomness")
    return results


def table(found: dict[str, list[float]]) -> str:
    """p-values of every test, a column for every direction."""
    lines = [[test.name, *(f"{values[i]:.3g}" for values in found.values())] for i, test in enumerate(TESTS)]
    return report.table(("two-sided p-value", *found), lines)


def verdict(results: dict[str, Any]) -> str:
    """How many tests failed by Holm's rule."""
    rows, level = results["rows"], results["level"]
    failed = [f"{row['test']}, {row['direction']}" for row in rows if row["adjusted"] < level]
    smallest = min(row["adjusted"] for row in rows)
    count = f"2^{int(np.log2(results['words']))} words of each direction in {results['machine']['seconds']} s"
    rule = f"smallest p-value after Holm's correction for {len(rows)} tests {smallest:.2g}, level {level:g}"
    return f"{count}: {rule}; " + (f"FAILED: {'; '.join(failed)}" if failed else "none failed")
