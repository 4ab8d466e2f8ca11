"""`stochq doctor`: whether this machine computes what is known, on every device."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import stochq as sq
from stochq.accuracy.same_draws import difference
from stochq.cli.known_answers import KnownAnswer, known_answers, thermalization

TRAJECTORIES, COMPARED = 20_000, 1024
# A right machine fails one of a dozen problems about once in 10⁵ seeds; means of single precision are rounded.
LARGEST_Z, _ROUNDING = 5.0, 1e-5
# Problems that would begin later are left out.
SECONDS = 50.0


class Finding(NamedTuple):
    """passed: None for what was left out. told: z, or why not."""

    device: str
    title: str
    passed: bool | None
    told: str


def examine() -> bool:
    """Run, print line by line, and return whether nothing failed."""
    failed, left_out, begun = 0, 0, time.perf_counter()
    for finding in _findings(begun):
        failed += finding.passed is False
        left_out += finding.passed is None
        word = {True: "pass", False: "FAIL", None: "left out"}[finding.passed]
        print(f"{word:<9} {finding.device:<14} {finding.title:<34} {finding.told}", flush=True)
    verdict = f"{failed} failed" if failed else "All that was run passed"
    rest = f"; {left_out} left out" if left_out else ""
    print(f"{verdict}{rest}, in {time.perf_counter() - begun:.0f} s. |z| up to {LARGEST_Z:g} passes.")
    return failed == 0


def _findings(begun: float) -> Iterator[Finding]:
    devices, reference = jax.devices(), _processor()
    for device in devices:
        if reference is not None and device != reference:
            with jax.default_device(device):
                yield _timely(begun, device, thermalization(), partial(_compared, reference=reference))
    for answer in known_answers():
        for device in devices:
            with jax.default_device(device):
                yield _timely(begun, device, answer, _judged)


def _timely(begun: float, device: Any, answer: KnownAnswer, judge: Callable[..., tuple[bool, str]]) -> Finding:
    """What a judge says, unless time is up; a fault is a failure."""
    title = answer.title if judge is _judged else f"{answer.title}, same draws"
    if time.perf_counter() - begun > SECONDS:
        return Finding(str(device), title, None, f"{SECONDS:g} s have passed")
    try:
        passed, told = judge(answer)
    except Exception as error:
        passed, told = False, f"{type(error).__name__}: {error}"
    return Finding(str(device), title, passed, told)


def _judged(answer: KnownAnswer) -> tuple[bool, str]:
    """The mean of an ensemble against what is known."""
    run = _run(answer, TRAJECTORIES, keep=0)
    error = np.hypot(run.stderr["o"][-1], _ROUNDING)
    z = float((run.mean["o"][-1] - answer.value) / error)
    return abs(z) <= LARGEST_Z, f"z = {z:+.2f}: {run.mean['o'][-1]:.5f} ± {error:.5f}, known {answer.value:.5f}"


def _compared(answer: KnownAnswer, reference: Any) -> tuple[bool, str]:
    """The states of the same trajectories, here and on a processor."""
    here = _run(answer, COMPARED, keep=COMPARED).kept
    with jax.default_device(reference):
        there = _run(answer, COMPARED, keep=COMPARED).kept
    found = difference(here[:, -1].T, there[:, -1].T)
    return found["agrees"], f"median difference {found['median']:.1e}, {found['far']:.2%} far off"


def _processor() -> Any:
    """Where the same trajectories are made to compare with; None where JAX_PLATFORMS names no processor."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def _run(answer: KnownAnswer, trajectories: int, keep: int) -> sq.EnsembleResult:
    return sq.simulate(
        answer.equation,
        answer.psi0,
        [0.0, 1.0],
        observables={"o": answer.observable},
        trajectories=trajectories,
        dt=answer.dt,
        seed=1,
        keep=keep,
        progress=False,
    )
