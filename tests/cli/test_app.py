"""What the command says of itself, and the examples that it hands out."""

from pathlib import Path

import stochq as sq
from stochq.cli.schema import schema_text
from tests.cli.test_run import invoke

EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"


def test_the_version_is_the_package_s():
    done = invoke("--version")
    assert done.exit_code == 0 and done.output.strip() == f"stochq {sq.__version__}"


def test_examples_are_copied_and_never_over_what_was_changed(tmp_path):
    folder = tmp_path / "examples"
    assert invoke("examples", folder).exit_code == 0
    assert {path.name for path in folder.iterdir()} == {path.name for path in EXAMPLES.glob("*.*")} | {"schema"}
    line = (folder / "csl-trap.toml").read_text().partition("\n")[0]
    assert (folder / line.removeprefix("#:schema ")).read_text() == schema_text("run")
    assert invoke("examples", folder).exit_code == 0
    (folder / "csl-trap.toml").write_text("mine")
    done = invoke("examples", folder)
    assert done.exit_code == 2 and "csl-trap.toml" in done.output
    assert (folder / "csl-trap.toml").read_text() == "mine"


def test_the_package_lists_what_users_see():
    listed = set(dir(sq))
    assert {"gaussian", "bounds", "simulate", "load", "systems"} <= listed
    assert not {"compiling", "module", "arrays", "Path", "import_module"} & listed
    assert all(getattr(sq, name) is not None for name in sq.__all__)
