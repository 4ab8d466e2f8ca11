"""How XLA compiles parts of a run on a processor, and how many programs a process can hold."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

# Rows from which a loop over them costs less than handing out the work.
MANY = 8
# Memory maps of this process and how many Linux gives it; of these programs may take so many.
MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
LARGEST_SHARE = 0.6


def in_one_piece(function: Callable[..., Any], *operands: Any) -> Any:
    """function(*operands), on a processor as one piece of machine code.

    It may hold loops over operations element by element and nothing else: no product of matrices, and outside its loops
    nothing large (jaxlib 0.10 fails). XLA's processor backend otherwise hands the operations of a loop to a pool of
    threads one by one. Runs have a thread for every core already, and the handing over takes longer than operations on
    one level of a block do.
    """
    if jax.default_backend() != "cpu":
        return function(*operands)
    # Large constants as operands end the process (jaxlib 0.10): the barrier keeps them from being seen as such.
    operands = lax.optimization_barrier(operands)
    return set_xla_metadata(jax.jit(function)(*operands), xla_cpu_small_call="true", inlineable="false")


def by_rows(function: Callable[..., Any], rows: jax.Array, *shared: Any) -> Any:
    """function(row, *shared) of every row along the first axis, stacked; many rows on a processor one by one, in one
    piece. Element by element as there."""
    if len(rows) < MANY or jax.default_backend() != "cpu":
        return jax.vmap(lambda row: function(row, *shared))(rows)

    def loop(rows: jax.Array, *shared: Any) -> Any:
        return lax.scan(lambda _, row: (None, function(row, *shared)), None, rows)[1]

    return in_one_piece(loop, rows, *shared)


def make_room() -> bool:
    """Drop all compiled programs where they take most of the memory maps that Linux gives a process; whether it did.

    Every program holds some hundred, and XLA ends the process when there are none left. What is needed again is
    compiled again.
    """
    if not (MAPS.exists() and LIMIT.exists()):
        return False
    with MAPS.open("rb") as lines:
        if sum(1 for _ in lines) < LARGEST_SHARE * int(LIMIT.read_text()):
            return False
    jax.clear_caches()
    gc.collect()
    return True
