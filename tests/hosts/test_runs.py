"""Several processes on this machine make one run together, to the numbers of one; where one dies, the others say so."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stochq import io
from stochq.ensemble.checkpoint import content
from tests.cli.test_resume import same
from tests.cli.test_run import QUBIT, invoke, write
from tests.digests import digest
from tests.ensemble.test_checkpoint import KINDS, run
from tests.hosts.member import EARLIER, TRAJECTORIES

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from stochq_command import main; main()", "run"]
# Of JAX: a port that follows from the number of a job.
LOWEST_PORT, PORTS = 61440, 4096
# Seconds within which a process that dies ends the others here, by a message; generous, for slow machines.
SOON = 60
SHORT = ("dt = 0.25", "dt = 0.25\nexact = false\nbatch = 1024")


def free_port():
    """One that nobody listens on."""
    while True:
        port = random.randrange(LOWEST_PORT, LOWEST_PORT + PORTS)
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port


def begin(line, settings=None):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | (settings or {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, cwd=ROOT, env=environment, text=True, **pipes)


def begin_tasks(count, *arguments):
    """`srun -n COUNT stochq run ARGUMENTS`, without SLURM."""
    job = {"SLURM_JOB_ID": str(free_port() - LOWEST_PORT), "SLURM_STEP_NODELIST": "localhost"}
    job |= {"SLURM_NTASKS": str(count), "SLURM_STEP_NUM_TASKS": str(count)}
    line = [*COMMAND, *map(str, arguments)]
    return [begin(line, job | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)}) for i in range(count)]


@pytest.mark.release
def test_two_processes_of_a_script_find_what_one_does(tmp_path):
    """Densities, statistics of one's own, records, clicks, kept states, tolerances; on both of them."""
    port = str(free_port())
    line = [sys.executable, "-m", "tests.hosts.member"]
    members = [begin([*line, f"{index}/2", port, str(tmp_path)]) for index in range(2)]
    expected = [f"{kind} {digest(run(TRAJECTORIES, kind))}" for kind in KINDS]
    told = [member.communicate(timeout=500) for member in members]
    for index, (out, error) in enumerate(told):
        assert out, error
        *found, refusal = out.splitlines()
        assert found == expected, error
        assert "expected the same call on every one of them; on host 1 of 2" in refusal
        assert "differs in seed 1, on the first 0." in refusal
        assert refusal.startswith("hosts: host 0 of 2" if index else "hosts: expected the same call")
    assert [path.name for path in tmp_path.iterdir()] == ["0.checkpoint"]
    gone_on = run(TRAJECTORIES, "everything", checkpoint=tmp_path / "0.checkpoint")
    assert f"everything {digest(gone_on)}" == expected[0] and EARLIER < TRAJECTORIES


@pytest.mark.release
def test_a_task_that_dies_ends_the_others_and_the_run_goes_on_alone(tmp_path):
    config, out, alone = write(tmp_path, QUBIT, SHORT), tmp_path / "r.nc", tmp_path / "alone.nc"
    more = killed(config, out, tmp_path / "r.checkpoint") + 5000
    done = invoke("run", config, "--out", out, "--trajectories", more, "--resume")
    assert done.exit_code == 0, done.output
    # The numbers of a run that was never interrupted.
    assert invoke("run", config, "--out", alone, "--trajectories", more).exit_code == 0
    same(io.load(out), io.load(alone))


def killed(config, out, there):
    """How many trajectories three tasks have written down, the last of which was killed, which the others noticed."""
    tasks = begin_tasks(3, config, "--out", out, "--trajectories", 10**9)
    wait_for(there.exists, tasks)
    tasks[2].kill()
    start = time.monotonic()
    told = [task.communicate(timeout=500)[1] for task in tasks]
    assert time.monotonic() - start < SOON
    assert [task.returncode for task in tasks] == [1, 1, -signal.SIGKILL], told
    for error in told[:2]:
        assert "has ended: its process is gone, and said nothing. What a checkpoint holds stays" in error
    return content.unpacked(there.read_bytes(), there)["stages"][0]["parts"][-1][2]


@pytest.mark.release
def test_tasks_that_go_on_write_one_result(tmp_path):
    config, out, alone = write(tmp_path, QUBIT, SHORT), tmp_path / "r.nc", tmp_path / "alone.nc"
    more = killed(config, out, tmp_path / "r.checkpoint") + 5000
    tasks = begin_tasks(2, config, "--out", out, "--trajectories", more, "--resume")
    told = [task.communicate(timeout=500) for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], told
    assert "Result:" in told[0][0] and told[1][0] == ""
    tasks = begin_tasks(3, config, "--out", alone, "--trajectories", more)
    assert [task.communicate(timeout=500) and task.returncode for task in tasks] == [0, 0, 0]
    same(io.load(out), io.load(alone))
    assert invoke("run", config, "--out", out, "--trajectories", more + 2000, "--resume").exit_code == 0
    assert invoke("run", config, "--out", alone, "--trajectories", more + 2000).exit_code == 0
    same(io.load(out), io.load(alone))


@pytest.mark.release
@pytest.mark.parametrize(
    ("which", "number", "codes", "told"),
    [
        (0, signal.SIGKILL, [-signal.SIGKILL, 1], "host 0 of 2 .* has ended: its process is gone, and said nothing"),
        (0, signal.SIGTERM, [130, 130], "interrupted: the result holds"),
        (1, signal.SIGTERM, [130, 130], "interrupted: the result holds"),
    ],
)
def test_the_first_may_die_and_any_may_be_interrupted(tmp_path, which, number, codes, told):
    config, out = write(tmp_path, QUBIT, SHORT), tmp_path / "r.nc"
    tasks = begin_tasks(2, config, "--out", out, "--trajectories", 10**9)
    wait_for((tmp_path / "r.checkpoint").exists, tasks)
    tasks[which].send_signal(number)
    errors = [task.communicate(timeout=500)[1] for task in tasks]
    assert [task.returncode for task in tasks] == codes and re.search(told, errors[1])
    assert (tmp_path / "r.interrupted.nc").exists() == (codes[0] == 130)


def wait_for(there, tasks):
    until = time.monotonic() + 300
    while not there():
        assert time.monotonic() < until and all(task.poll() is None for task in tasks), [
            task.communicate() for task in tasks if task.poll() is not None
        ]
        time.sleep(0.05)
