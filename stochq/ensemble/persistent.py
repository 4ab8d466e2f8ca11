"""All steps between two saved times in one kernel, a trajectory to a thread, its state in registers: for GPUs.

A step of any scheme is traced for one trajectory and rewritten as arithmetic on single numbers (`registers`), so that
nothing about models, schemes or noise is said a second time. Random numbers are made where they are used.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from stochq.accelerators import on_accelerator
from stochq.ensemble.registers import Interval, Iteration, as_rows

# A thread's work on its trajectory: (block of threads, load, references to inputs and to the output).
Thread = Callable[..., None]
# What JAX 0.10 wants of `plgpu.load` besides the reference, which has its index already.
_ALL = ((),) if inspect.signature(plgpu.load).parameters["idx"].default is inspect.Parameter.empty else ()


def advance_in_threads(iteration: Iteration, trajectories: jax.Array, stride: int, threads: int) -> Any:
    """The function ((carried, noise), t, first step, number of steps, dt) -> (carried, noise) over one interval, which
    leaves the noise as it is.

    trajectories: (block,) uint32; stride: steps of an iteration; threads: of a block, a trajectory each.
    """

    def advance(carry: tuple, t: jax.Array, first: jax.Array, steps: jax.Array, dt: jax.Array) -> tuple:
        carried, noise = carry
        interval = Interval(t, dt, first // stride)
        return _repeat(iteration, interval, trajectories, steps // stride, carried, threads), noise

    return advance


def _repeat(
    iteration: Iteration, interval: Interval, trajectories: jax.Array, count: jax.Array, carried: Any, threads: int
) -> Any:
    """`carried` after so many iterations."""
    rows, restore = as_rows(carried, iteration.block)
    integers = jnp.stack([count.astype(jnp.int32), interval.first.astype(jnp.int32)])
    times = jnp.stack([interval.t, interval.dt])
    numbered = _padded(lax.bitcast_convert_type(trajectories, jnp.int32), threads)
    inputs = integers, times, *iteration.numbers.values(), numbered, _padded(rows, threads)
    after = _launch(_thread(iteration, len(rows), threads), threads, *inputs)
    return restore(after[:, : iteration.block])


def _thread(iteration: Iteration, size: int, threads: int) -> Thread:
    """All iterations of one trajectory, whose state is so many real numbers."""

    def thread(place: jax.Array, load: Callable[..., jax.Array], *refs: Any) -> None:
        integers, times, *vectors, numbered, before, after = refs
        numbers = dict(zip(iteration.numbers, vectors, strict=True))
        lanes = pl.ds(place * threads, threads)
        interval = Interval(times[0], times[1], integers[1])
        trajectory = load(numbered, lanes).astype(jnp.uint32)

        def iterate(index: jax.Array, rows: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            found = iteration(numbers, interval, trajectory, index, rows)
            return tuple(jnp.broadcast_to(row, (threads,)) for row in found)

        rows = lax.fori_loop(0, integers[0], iterate, tuple(load(before, row, lanes) for row in range(size)))
        for row in range(size):
            after[row, lanes] = rows[row]

    return thread


def _padded(rows: jax.Array, threads: int) -> jax.Array:
    """(..., block) with repetitions of the last column that make whole blocks of threads."""
    missing = -rows.shape[-1] % threads
    return jnp.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)], mode="edge") if missing else rows


def _launch(thread: Thread, threads: int, *inputs: jax.Array) -> jax.Array:
    """What the kernel makes of its last input, a column to a thread.

    On a processor the kernel's own text is interpreted, by Mosaic's interpreter where JAX has one (from 0.11 on).
    """
    rows = inputs[-1]
    blocks, shape = rows.shape[-1] // threads, jax.ShapeDtypeStruct(rows.shape, rows.dtype)
    if on_accelerator():
        return _mosaic(thread, threads, blocks, shape, None)(*inputs)
    if hasattr(plgpu, "InterpretGPUParams"):
        return _mosaic(thread, threads, blocks, shape, plgpu.InterpretGPUParams())(*inputs)
    return _interpreted(thread, blocks, shape, len(inputs))(*inputs)


def _mosaic(thread: Thread, threads: int, blocks: int, shape: jax.ShapeDtypeStruct, interpret: Any) -> Any:
    layout = plgpu.Layout.WG_STRIDED((threads,), 1)

    def load(ref: Any, *index: Any) -> jax.Array:
        return plgpu.load(ref.at[index], *_ALL, layout=layout, optimized=False)

    def steps(*refs: Any) -> None:
        thread(lax.axis_index("block"), load, *refs)

    # Lane semantics: of the default, for groups of warps, a few draws do not compile within minutes.
    params = plgpu.CompilerParams(lowering_semantics=plgpu.LoweringSemantics.Lane)
    return plgpu.kernel(
        steps, out_type=shape, grid=(blocks,), grid_names=("block",), compiler_params=params, interpret=interpret
    )


def _interpreted(thread: Thread, blocks: int, shape: jax.ShapeDtypeStruct, inputs: int) -> Any:
    def steps(*refs: Any) -> None:
        thread(pl.program_id(0), lambda ref, *index: ref[index], *refs)

    whole = pl.BlockSpec(memory_space=pl.ANY)
    return pl.pallas_call(
        steps, out_shape=shape, grid=(blocks,), in_specs=[whole] * inputs, out_specs=whole, interpret=True
    )
