"""`python -m tests.fuzz --examples 1000`: every call with valid, nearly valid and odd arguments; faults are listed."""

import argparse
import collections
import resource
import sys
import time
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.calls import CALLS, Call
from tests.fuzz.judge import Fault, Stopped, judged
from tests.fuzz.values import altered

MEMORY = 8 * 2**30


@st.composite
def arguments(draw: Any, call: Call) -> dict[str, Any]:
    """Of a call: all valid, or up to two of them altered."""
    values = {name: draw(strategy) for name, strategy in call.arguments.items()}
    count = min(draw(st.sampled_from((0, 1, 1, 1, 2))), call.altered)
    for name in draw(st.permutations(sorted(values)))[:count]:
        values[name] = altered(draw, values[name])
    return values


def stop(*_: object, **__: object) -> None:
    """In the place of the function that would compile."""
    raise Stopped


def fuzz(name: str, call: Call, examples: int, number: int | None) -> tuple[collections.Counter, dict[str, str]]:
    """Outcomes by their word, and one example of every fault."""
    counts, faults = collections.Counter(), {}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=number is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments(call))
    def run(values: dict[str, Any]) -> None:
        try:
            counts[judged(call.function, values)] += 1
        except Fault as fault:
            counts["faults"] += 1
            shown = ", ".join(f"{key}={value!r}"[:200].replace("\n", " ") for key, value in values.items())
            faults.setdefault(fault.kind, f"{fault}\n    {name}({shown})")

    (run if number is None else seed(number)(run))()
    return counts, faults


def main() -> int:
    """Fuzz all calls, or those that are named; 1 where there are faults."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="CALL", help="such as simulate; default: all")
    options.add_argument("--examples", type=int, default=1000, help="for each call")
    options.add_argument("--seed", type=int, help="default: the same examples every time")
    asked = options.parse_args()
    # A call that asks for more fails here, and does not end other programs.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    total, bad, begun = collections.Counter(), 0, time.monotonic()
    with (
        mock.patch("stochq.ensemble.make.opened", stop),
        mock.patch("stochq.ensemble.differentiable._step", stop),
        mock.patch("stochq.inference.reading.Reading.in_blocks", stop),
    ):
        for name in asked.names or CALLS:
            counts, faults = fuzz(name, CALLS[name], asked.examples, asked.seed)
            total.update(counts)
            for example in faults.values():
                print(f"{name}: {example}", flush=True)
            bad += len(faults)
    print(f"{dict(total)} in {time.monotonic() - begun:.0f} s; {bad} kinds of faults")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
