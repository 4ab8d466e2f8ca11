"""Sizes that suit an accelerator, tested on a processor with that branch forced; calls spread over devices."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

import stochq as sq
from stochq.accelerators import forced, on_accelerator
from stochq.accuracy.grid import time_grid
from stochq.ensemble import devices, pilots, runner
from stochq.ensemble.assemble import fingerprint
from stochq.ensemble.batch import Batch
from stochq.ensemble.devices import block_size, records_per_call
from stochq.ensemble.jumps.problem import build_jump_problem
from stochq.ensemble.problem import build_problem
from stochq.ensemble.runner import Execution, _lanes, in_threads, thread_pool
from stochq.ensemble.task import Task
from stochq.schemes import frame_of
from tests.problems import PROBLEMS

ROOT = Path(__file__).parents[2]
TIMES, P = np.array([0.0, 0.5, 1.0]), {"p": np.array([1.0, 0.0])}
HOPPING = np.array([[0.0, 0.7], [0.7, 0.0]])
EXCITED, LOWERING = np.array([1.0, 0.0]), np.array([[0.0, 0.0], [1.0, 0.0]])
LEVELS = sq.systems.levels([0.0, 0.4, 1.0, 1.1])
OQT = sq.models.oqt(LEVELS, strength=0.8, equilibrium=[0.4, 0.3, 0.2, 0.1])
SUV = sq.models.suv(sq.systems.levels(HOPPING), strength=0.8)


def _jumps():
    return sq.models.unravel(sq.systems.levels(HOPPING), [LOWERING], noise="jump")


def _run(equation=SUV, trajectories=3000, **options):
    return sq.simulate(
        equation, EXCITED, TIMES, **{"observables": P, "trajectories": trajectories, "dt": 0.25, **options}
    )


def _task(equation):
    psi = sq.normalize(np.ones(equation.dim, complex))
    watched = {"p": np.arange(equation.dim) / 3, "x": np.ones((equation.dim, equation.dim))}
    return Task(equation, frame_of(equation), psi, TIMES, watched, sq.schemes.Strang(), "single", 3)


@pytest.mark.parametrize(
    ("dim", "trajectories", "block"),
    [
        (8, 10, 1024),
        (8, 2048, 2048),
        (8, 2049, 4096),
        (8, 10**5, 131_072),
        (8, 10**7, 131_072),
        (256, 10**7, 65_536),
        (4096, 10**7, 4096),
        (2**20, 10**7, 1024),
        (256, None, 65_536),
    ],
)
def test_blocks_of_an_accelerator_hold_what_is_asked_for(dim, trajectories, block):
    with forced(True):
        assert block_size(dim, 512, trajectories) == block


def test_blocks_of_a_processor_depend_on_the_dimension_alone():
    assert not on_accelerator()
    for trajectories in (10, 10**7, None):
        assert [block_size(dim, 1, trajectories) for dim in (2, 64, 1024)] == [1024, 256, 32]
        assert block_size(1024, 128, trajectories) == 128


def test_a_device_that_is_chosen_decides():
    with jax.default_device("cpu"), forced(True):
        assert on_accelerator()
    with jax.default_device(jax.devices("cpu")[0]):
        assert not on_accelerator()


@pytest.mark.parametrize(
    "make", [lambda: SUV, *(pytest.param(make, marks=pytest.mark.release) for make in (lambda: OQT, _jumps))]
)
def test_trajectories_are_the_same_in_any_block(make):
    """To rounding in double precision: a processor's compiler contracts other products in arrays of other lengths."""
    task = replace(_task(make()), precision="double")
    with forced(True), jax.enable_x64(True):
        if task.equation.noise == "jump":
            problem = build_jump_problem(task, trajectories=8000)
        else:
            problem = build_problem(task, time_grid(TIMES, 0.125), trajectories=8000)
        assert problem.block == 8192
        wide = _states(problem, 0)
        for block, first in ((2048, 0), (2048, 4096), (1024, 3072)):
            narrow = _states(problem.with_block(block), first)
            np.testing.assert_allclose(narrow, wide[..., first : first + block], rtol=0, atol=1e-11)


@pytest.mark.parametrize("make", [lambda: SUV, lambda: PROBLEMS["driven sui"]().equation])
def test_a_problem_is_the_same_on_any_device(make):
    task, grid = _task(make()), time_grid(TIMES, 0.25)
    processor = build_problem(task, grid)
    with forced(True):
        accelerator = build_problem(task, grid, trajectories=4000)
        found = fingerprint(accelerator, "single")
    in_threads = accelerator._replace(loop=accelerator.loop._replace(threads=128))
    assert fingerprint(processor, "single") == found == fingerprint(in_threads, "single")
    antithetic = build_problem(task, grid, antithetic=True)
    assert fingerprint(antithetic, "single") != fingerprint(processor, "single")


def test_threads_know_what_their_caller_has_chosen():
    def answer(_):
        return on_accelerator(), jax.config.jax_default_device

    with forced(True), jax.default_device("cpu"):
        assert set(in_threads(answer, range(8))) == {(True, "cpu")}
    assert set(in_threads(answer, range(8))) == {(False, None)}


def test_programs_of_several_devices_are_made_as_their_caller_would(monkeypatch):
    class Made:
        """In place of a program: what it would be made for, and where."""

        def __init__(self, problem, capacity, device):
            self.device, self.accelerated = device, on_accelerator()

        def at_once(self, most):
            return most

    monkeypatch.setattr(runner, "Batch", Made)
    with forced(True):
        lanes = _lanes(build_problem(_task(SUV), time_grid(TIMES, 0.25)), Execution(devices=("first", "second")))
    assert [vars(lane.call) for lane in lanes] == [{"device": d, "accelerated": True} for d in ("first", "second")]
    assert [lane.device for lane in lanes] == ["first", "second"]
    assert [lane.threads for lane in lanes] == [2, 2]


def test_what_is_forced_holds_for_one_thread():
    with forced(True), ThreadPoolExecutor(1) as pool:
        assert on_accelerator() and not pool.submit(on_accelerator).result()


def _states(problem, first):
    on_device = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, problem)
    return np.asarray(jax.jit(lambda first: on_device.data(first, True)["states"])(np.uint32(first)))


@pytest.mark.parametrize("make", [lambda: SUV, pytest.param(_jumps, marks=pytest.mark.release)])
def test_a_run_as_on_an_accelerator_is_that_of_a_processor(make):
    options = {"dt": None} if make is _jumps else {"keep": 2}
    processor, other = _run(make(), **options), _run(make(), seed=1, **options)
    with forced(True):
        accelerator = _run(make(), **options)
    for name in ("mean", "variance", "stderr"):
        np.testing.assert_allclose(getattr(accelerator, name)["p"], getattr(processor, name)["p"], rtol=2e-5, atol=2e-6)
    if processor.kept is not None:
        np.testing.assert_allclose(accelerator.kept, processor.kept, atol=1e-4)
    # In other blocks, on another device: runs of one problem.
    assert accelerator.merge(other).trajectories == 6000


class _Pilot(Exception):
    """Of a pilot that is not made: trajectories side by side."""


def test_a_pilot_costs_what_it_is_made_of(monkeypatch):
    def refuse(task, problem, *others):
        raise _Pilot(problem.block)

    monkeypatch.setattr(pilots, "sample_of", refuse)
    with forced(True), pytest.raises(_Pilot, match="^2048$"):
        # A function has no mean map, so that pilots choose the step.
        _run(trajectories=100_000, dt=None, observables={"f": _fourth_power})


def _fourth_power(psi):
    return jax.numpy.abs(psi[0]) ** 4


def test_a_device_without_memory_says_how_many_fit(monkeypatch):
    monkeypatch.setattr(devices, "memory_of", lambda device: 2**20)
    with forced(True):
        with pytest.raises(ValueError, match="^trajectories: expected blocks that the device has memory for") as told:
            _run(trajectories=100_000)
        found = re.search(
            r"one of 131072 takes .* GiB of .*, in which (\d+) fit. Run at most (\d+) at", str(told.value)
        )
        assert found is not None and int(found[2]) <= int(found[1]) < 131_072
        assert _run(trajectories=int(found[2])).trajectories == int(found[2])
        monkeypatch.setattr(devices, "memory_of", lambda device: 2**6)
        with pytest.raises(ValueError, match="in which 0 fit. Take fewer saved times"):
            _run(trajectories=100_000)


@pytest.mark.parametrize(("calls", "threads"), [(1.0, 1), (1.9, 1), (2.0, 2), (5.0, 2)])
def test_as_many_calls_at_once_as_the_device_has_memory_for(monkeypatch, calls, threads):
    """Their arguments are there once."""
    with forced(True):
        problem = build_problem(_task(OQT), time_grid(TIMES, 0.25))
        shared, each = Batch(problem, 16)._run.memory
        assert shared > 0 and each > 0
        monkeypatch.setattr(devices, "memory_of", lambda device: shared + int(calls * each))
        (lane,) = _lanes(problem, Execution())
    assert lane.threads == threads and lane.pool is thread_pool(threads)


def test_memory_is_that_of_the_device_that_is_chosen(monkeypatch):
    class Device(NamedTuple):
        """With so much memory."""

        limit: int

        def memory_stats(self):
            return {"bytes_limit": self.limit}

    monkeypatch.setattr(devices, "default_device", lambda: Device(7))
    assert devices.memory_of(None) == 7 and devices.memory_of(Device(5)) == 5


SPREAD = """
import dataclasses, sys
import jax, numpy as np, pytest
import stochq as sq
from stochq.ensemble.batch import Batch
from stochq.ensemble import devices
from tests.ensemble.test_checkpoint import KINDS, assert_equal, run as run_kind
there = jax.devices()
first, second = there[:2]
assert devices.default_device() == first
with jax.default_device(second):
    assert devices.default_device() == second and devices.check_devices(2) == (first, second)
    assert devices.check_devices(1) is None
with jax.default_device("cpu"):
    assert devices.default_device() == first
used, call = [], Batch.__call__
def seen(self, *arguments):
    summaries, failed = call(self, *arguments)
    used.append(failed.devices())
    return summaries, failed
Batch.__call__ = seen
def run(kind, devices, trajectories=9316, **options):
    used.clear()
    found = run_kind(trajectories, kind, devices=devices, **options)
    return found, set().union(*used)
def assert_same(found, one):
    names = found.info.pop("devices"), one.info["devices"]
    assert_equal(found, dataclasses.replace(one, info={k: v for k, v in one.info.items() if k != "devices"}))
    return names[0]
SPREADS = {"everything": (2, "all"), "clicks": (4,), "tolerance": ([second, first, there[2], there[3]],)}
for kind, spreads in SPREADS.items():
    one, where = run(kind, None)
    assert where == {first} and one.info["devices"] == [str(first)]
    for asked in spreads:
        expected = asked if isinstance(asked, list) else there[:None if asked == "all" else asked]
        found, where = run(kind, asked)
        assert where == set(expected)
        assert assert_same(found, one) == [str(device) for device in expected]
    # What some devices left, others take up.
    path = sys.argv[1] + "/" + kind
    run(kind, spreads[0], 3072, checkpoint=path)
    assert_same(run(kind, [second], checkpoint=path)[0], one)
with jax.default_device(second):
    assert run("clicks", None, 2048)[1] == {second}
for wrong, told in ((9, "at most 8, as many as JAX sees here .cpu.; got 9"), ([], "different ones of the local"),
                    ([first, first], "different ones of the local"), (["cpu:0"], "different ones .* got .cpu:0.")):
    with pytest.raises(ValueError, match="^devices: expected " + told):
        run("clicks", wrong)
print("alike")
"""


@pytest.mark.release
def test_devices_change_no_number(tmp_path):
    """1, 2, 3, 4 and 8 of them: densities, statistics, records, clicks, kept states, tolerances, checkpoints."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", SPREAD, str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.stdout.strip() == "alike", done.stderr


@pytest.mark.parametrize("wrong", [0, 1.5, "none", True, jax.devices()[0]])
def test_devices_are_counted_or_named(wrong):
    with pytest.raises(ValueError, match="^devices: expected .*a whole number.*; got"):
        _run(devices=wrong)
    assert _run(devices="all").info["devices"] == [str(device) for device in jax.local_devices()]


def test_records_of_a_call():
    assert records_per_call(4, 256, 10_000) == 256
    with forced(True):
        assert records_per_call(4, 256, 10_000) == 10_000
        assert records_per_call(4, 256, 10**6) == 131_072
        assert records_per_call(4000, 256, 10**6) == 4096
        assert records_per_call(10**9, 64, 10**6) == 64


def test_filters_and_likelihoods_as_on_an_accelerator():
    watched = sq.measurement.homodyne(LOWERING, efficiency=0.7)
    equation = sq.models.monitored(HOPPING, {"out": watched})
    increments = np.random.default_rng(0).normal(size=(600, 5)) * np.sqrt(0.1)
    record = sq.inference.Record(np.linspace(0.0, 0.5, 6), increments, ["out"])

    def found():
        filtered = sq.inference.filter(equation, EXCITED, record, observables=P, density=True)
        total = sq.inference.log_likelihood(equation, EXCITED, record)
        return filtered.mean["p"], filtered.density, filtered.log_likelihood, total

    processor = found()
    with forced(True):
        accelerator = found()
    for one, other in zip(accelerator, processor, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.release
def test_gradients_as_on_an_accelerator():
    def last(strength):
        equation = sq.models.suv(sq.systems.levels(HOPPING), strength=strength)
        return sq.expectations(equation, EXCITED, TIMES, observables=P, trajectories=3000, dt=0.5)["p"][-1]

    processor = jax.value_and_grad(last)(0.8)
    with forced(True):
        accelerator = jax.value_and_grad(last)(0.8)
    np.testing.assert_allclose(accelerator, processor, rtol=1e-5)
