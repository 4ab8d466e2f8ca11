"""How XLA compiles parts of a run on a processor."""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def in_one_piece(function: Callable[[], Any]) -> Any:
    """function(), on a processor as one piece of machine code.

    It may hold loops over operations element by element and nothing else: no product of matrices, and outside its loops
    nothing large (jaxlib 0.10 fails). XLA's processor backend otherwise hands the operations of a loop to a pool of
    threads one by one. Runs have a thread for every core already, and the handing over takes longer than operations on
    one level of a block do.
    """
    if jax.default_backend() != "cpu":
        return function()
    return set_xla_metadata(jax.jit(function)(), xla_cpu_small_call="true", inlineable="false")
