"""How far the same draws differ on other hardware, in whose place are programs for processors of another age.

python -m tests.ensemble.test_hardware FILE.npz
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stochq as sq

ROOT = Path(__file__).parents[2]
TIMES = np.array([0.0, 0.5, 1.0])
SHARE = {"single": 2.0**-24, "double": 2.0**-53}
# Largest differences, in units of rounding, of states (of norm 1), of times of clicks and of means, after 8 steps.
STATES, MEANS = 400, 4


def runs():
    """Kept states, means and clicks of two equations in both precisions, by name."""
    lower = np.array([[0.0, 0.0], [1.0, 0.0]])
    ising = sq.systems.ising(3, coupling=1.0, transverse=0.9, longitudinal=0.4)
    equations = {
        "thermalization": (sq.models.oqt(ising, strength=0.5, equilibrium=sq.canonical(ising, 1.0)), 0.125),
        "clicks": (sq.models.monitored([[0.0, 0.7], [0.7, 0.0]], {"n": sq.measurement.counting(lower)}), None),
    }
    found = {}
    for name, (equation, dt) in equations.items():
        psi0 = sq.normalize(np.arange(1.0, equation.dim + 1))
        watched = {"p": np.eye(equation.dim)[0]}
        options = {"trajectories": 2000, "dt": dt, "keep": 200, "records": name == "clicks"}
        for precision in SHARE:
            result = sq.simulate(equation, psi0, TIMES, observables=watched, precision=precision, **options)
            found[f"{name} {precision} states"] = result.kept
            found[f"{name} {precision} means"] = result.mean["p"]
            if name == "clicks":
                found[f"{name} {precision} times"] = result.clicks["n"].time
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What this process finds, and what one finds whose compiler knows no processor but old ones, with narrow vectors,
    or optimises less."""
    path = tmp_path_factory.mktemp("other") / "other.npz"
    settings = {"PYTHONPATH": str(ROOT)}
    if platform.machine() == "x86_64":
        settings["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_max_isa=SSE4_2"
    else:
        is_quick = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS", "0") == "1"
        settings["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "0" if is_quick else "1"
    line = [sys.executable, "-m", "tests.ensemble.test_hardware", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=os.environ | settings)
    assert done.returncode == 0, done.stderr
    with np.load(path) as other:
        return runs(), dict(other)


@pytest.mark.release
def test_other_hardware_differs_by_rounding(both):
    here, other = both
    assert here.keys() == other.keys()
    for name in here:
        _, precision, what = name.split()
        allowed = (MEANS if what == "means" else STATES) * SHARE[precision]
        farthest = np.abs(here[name] - other[name]).max()
        assert farthest <= allowed, (name, farthest / SHARE[precision])


@pytest.mark.long
def test_other_hardware_is_another_program(both):
    here, other = both
    assert sum(np.any(here[name] != other[name]) for name in here) > len(here) / 2


if __name__ == "__main__":
    np.savez(sys.argv[1], **runs())
