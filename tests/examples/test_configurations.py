"""Every configuration that is shipped runs, with fewer trajectories than it asks for."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stochq as sq
from stochq.cli.app import app

PATHS = sorted((Path(__file__).parents[2] / "scripts" / "examples").glob("*.toml"))
# One with levels and one on a grid tell most of what can go wrong.
ALWAYS = ("suv-measurement", "csl-interferometer")


def _marked(path):
    return pytest.param(path, id=path.stem, marks=[] if path.stem in ALWAYS else [pytest.mark.release])


# Those for `stochq exclude` run in tests/bounds.
@pytest.mark.parametrize("path", [_marked(path) for path in PATHS if not path.stem.startswith("exclude-")])
@pytest.mark.long
def test_it_runs(path, tmp_path):
    text, count = re.subn(r"^trajectories = .*$", "trajectories = 64", path.read_text(), flags=re.MULTILINE)
    assert count == 1
    (tmp_path / path.name).write_text(text)
    done = CliRunner().invoke(app, ["run", str(tmp_path / path.name), "--out", str(tmp_path / "result.nc")])
    assert done.exit_code == 0, done.output
    result = sq.load(tmp_path / "result.nc")
    assert result.trajectories == 64 and result.failed == 0
