"""Strict arithmetic: shapes are checked where they are written, arrays of different rank do not meet by accident."""

import gc

import jax
import jaxtyping
import pytest
from hypothesis import settings

# The layers below the public entry points, whose arguments are arrays of stated shapes; what users may give more
# freely is checked by the library itself.
jaxtyping.install_import_hook(
    ["stochq.noise", "stochq.systems", "stochq.channels", "stochq.schemes"], "beartype.beartype"
)
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="module")
def few_programs_at_a_time():
    """Every compiled program holds some hundred memory maps, of which Linux gives a process 65530."""
    yield
    jax.clear_caches()
    gc.collect()
