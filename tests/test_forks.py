"""A worker that was forked after its parent had computed says so instead of waiting for ever; one from before works."""

import os
import subprocess
import sys
import textwrap

import pytest

WORKERS = """
    import multiprocessing, sys
    import stochq as sq

    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=1.0)
    P = {"p": [1.0, 0.0]}

    def simulated(seed):
        return sq.simulate(equation, [0.6, 0.8], [0, 1], observables=P, trajectories=64, dt=0.5, seed=seed).mean["p"][0]

    def evolved(seed):
        return sq.exact.evolve(equation, [0.6, 0.8], [0, 1], observables=P).expect["p"][0]

    def expected(seed):
        return sq.exact.expectations(equation, [0.6, 0.8], [0, 1], observables=P)["p"][0]

    def in_a_worker(function, how):
        with multiprocessing.get_context(how).Pool(1) as pool:
            try:
                return round(float(pool.apply_async(function, (0,)).get(timeout=100)), 3)
            except RuntimeError as error:
                return str(error)

    print(in_a_worker(simulated, "fork"))
    simulated(0)
    for function in (simulated, evolved, expected):
        print(in_a_worker(function, "fork"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.long
def test_forked_workers():
    code = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(WORKERS)]
    said = subprocess.run(code, capture_output=True, text=True, timeout=300)
    before, *after = said.stdout.splitlines()
    assert before == "0.36" and len(after) == 3
    for sentence in after:
        assert sentence.startswith("this worker was forked from a process that had computed before")
        assert "get_context('spawn')" in sentence
