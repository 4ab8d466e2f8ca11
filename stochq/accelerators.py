"""Whether programs are made for an accelerator, whose blocks and loops are others than those of a processor."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# The environment variable by which ("1") a card runs a device call as one CUDA graph, loops included. Off: on an H100
# it is right, and 0.96 to 1.16 times as fast.
ONE_GRAPH = "STOCHQ_ONE_GRAPH"
# Options for processors, and the numbers of a state from which on they are given. Sums over the levels of few states
# side by side, with all that makes the summands, are kernels of a library (YNNPACK) in XLA of jaxlib 0.10, which makes
# them operation by operation: a step of 18 spins takes a third longer, its collapse seven times as long.
_OF_LONG_STATES = (("xla_cpu_experimental_ynn_fusion_type", "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"),)
_LONG_STATE = 2**12
# The answer that is forced, in the thread that forces it; None leaves it to JAX.
_FORCED: ContextVar[bool | None] = ContextVar("_FORCED", default=None)
# How often a program holds the scans that are traced.
_COPIES: ContextVar[int] = ContextVar("_COPIES", default=1)


def host_memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def used_memory() -> int | None:
    """Bytes of memory that this process takes now; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def on_accelerator() -> bool:
    """Whether JAX computes on something else than a processor."""
    answer = _FORCED.get()
    return chosen_platform() != "cpu" if answer is None else answer


def chosen_platform() -> str:
    """That of the device on which JAX computes where none is named."""
    # A device, or the name of a platform.
    chosen = jax.config.jax_default_device
    return jax.default_backend() if chosen is None else getattr(chosen, "platform", chosen)


@contextmanager
def forced(answer: bool) -> Iterator[None]:
    """Make programs as for an accelerator, or as for a processor, wherever they run: a test of the other branch.

    It holds for the calling thread, as JAX's own settings do. What `jax.jit` has traced already stays as it is.
    """
    before = _FORCED.set(answer)
    try:
        yield
    finally:
        _FORCED.reset(before)


@contextmanager
def in_copies(count: int) -> Iterator[None]:
    """Scans that a program holds so many times take fewer rows at a time: XLA's time to find fusions grows faster than
    what is written out (SUI of 256 levels: 26 s of a processor for 131 kernels a step, 14 s for 227)."""
    before = _COPIES.set(count)
    try:
        yield
    finally:
        _COPIES.reset(before)


def scan(body: Callable[..., Any], start: Any, rows: Any, together: int, reverse: bool = False) -> Any:
    """`lax.scan`, on an accelerator so many rows at a time: there every operation of a loop's body is a kernel to be
    launched, and those of several rows become one."""
    count = len(jax.tree.leaves(rows)[0])
    return lax.scan(body, start, rows, reverse=reverse, unroll=_at_a_time(count, together // _COPIES.get()))


def repeat(count: int, body: Callable[..., Any], start: Any, together: int) -> Any:
    """`lax.fori_loop` from 0 to `count`, on an accelerator so many iterations at a time, as in `scan`."""
    return lax.fori_loop(0, count, body, start, unroll=_at_a_time(count, together))


def _at_a_time(count: int, together: int) -> int:
    return max(1, min(count, together)) if on_accelerator() else 1


def call_options(size: int) -> dict[str, Any]:
    """XLA's options of a device call whose trajectories carry so many numbers each."""
    if not on_accelerator():
        return dict(_OF_LONG_STATES) if size > _LONG_STATE and _are_known(_OF_LONG_STATES) else {}
    if os.environ.get(ONE_GRAPH) != "1":
        return {}
    parts = "FUSION", "CUBLAS", "CUBLASLT", "CUSTOM_CALL", "CUDNN", "DYNAMIC_SLICE_FUSION", "CONDITIONAL", "WHILE"
    return {"xla_gpu_enable_command_buffer": ",".join(parts), "xla_gpu_graph_min_graph_size": 1}


@cache
def _are_known(options: tuple[tuple[str, Any], ...]) -> bool:
    """Whether this version of XLA has all of these options."""
    try:
        jax.jit(jnp.negative).lower(np.float32(0)).compile(dict(options))
    except jax.errors.JaxRuntimeError:
        return False
    return True
