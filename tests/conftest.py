"""Strict arithmetic: shapes are checked where they are written, arrays of different rank do not meet by accident."""

import gc
import os
from collections import defaultdict
from pathlib import Path

import jax
import jaxtyping
import pytest
from hypothesis import settings

import tests.checked  # noqa: F401 the hook imports tests alone

# The layers below the public entry points, whose arguments are arrays of stated shapes; what users may give more
# freely is checked by the library itself. It takes a sixth of the time of all tests: before a release alone.
if os.environ.get("CHECK_ANNOTATIONS"):
    jaxtyping.install_import_hook(
        ["stochq.noise", "stochq.systems", "stochq.channels", "stochq.schemes"], "tests.checked.arguments"
    )
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=25)
settings.load_profile("repeatable")

# Tracing makes many objects that stay: collections in the usual rhythm take a twentieth of the time of all tests.
gc.set_threshold(50_000, 20, 20)


# Linux gives a process 65530 memory maps, of which every compiled program holds some hundred. One file of tests takes
# fewer than half of them.
MAPS, MANY_MAPS = Path("/proc/self/maps"), 25_000


@pytest.fixture(autouse=True, scope="module")
def few_programs_at_a_time():
    """Drops all compiled programs after a file of tests that leaves many; XLA ends a process that has no maps left."""
    yield
    if not MAPS.exists():
        return
    with MAPS.open("rb") as lines:
        maps = sum(1 for _ in lines)
    if maps > MANY_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of the cases of a sweep those that are not run each time are long."""
    sweeps = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sweep") is not None:
            sweeps[item.nodeid.partition("[")[0]].append(item)
    for cases in sweeps.values():
        (count,) = cases[0].get_closest_marker("sweep").args
        kept = {place * len(cases) // count for place in range(count)}
        for place, case in enumerate(cases):
            if place not in kept:
                case.add_marker("long")


def pytest_collection_finish():
    """What stands when tests begin is not looked at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def optimised(request):
    """Programs of tests that compute for long are compiled as users' are: see the marker of this name."""
    if request.node.get_closest_marker("optimised") is None:
        yield
        return
    sooner = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", sooner)


@pytest.fixture
def settings_of_users():
    """JAX's own, which let arrays of different rank meet."""
    strict = jax.config.jax_numpy_rank_promotion
    jax.config.update("jax_numpy_rank_promotion", "allow")
    yield
    jax.config.update("jax_numpy_rank_promotion", strict)
