"""Over which devices `stochq run` spreads its calls."""

from stochq import io
from tests.cli.test_run import QUBIT, invoke, write

SHORT = ("dt = 0.25", "dt = 0.25\nexact = false")


def test_a_run_takes_the_devices_that_are_named(tmp_path):
    config, out = write(tmp_path, QUBIT, SHORT), tmp_path / "a.nc"
    assert invoke("run", config, "--out", out, "--devices", "all").exit_code == 0
    assert io.load(out).trajectories == 500
    for wrong in ("99", "some", "-1"):
        done = invoke("run", config, "--out", tmp_path / "b.nc", "--devices", wrong)
        assert done.exit_code == 2 and "devices: expected" in done.output and wrong in done.output
