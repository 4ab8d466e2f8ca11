"""What a release consists of agrees with itself."""

import re
import tomllib
from pathlib import Path

import stochq as sq

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version():
    assert f"\nversion: {sq.__version__}\n" in read("CITATION.cff")
    assert f"\n  version: {sq.__version__}\n" in read("packaging/recipe.yaml")


def test_the_recipe_needs_what_the_package_needs():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    needed = {
        re.sub(r"\s", "", line).replace("matplotlib-base", "matplotlib") for line in _run(read("packaging/recipe.yaml"))
    }
    assert needed == {*project["dependencies"], f"python{project['requires-python']}"}


def _run(recipe):
    """The lines of the recipe's list of what it runs with."""
    _, _, rest = recipe.partition("\n  run:\n")
    return re.findall(r"^    - (.+)$", rest.partition("\ntests:")[0], re.MULTILINE)
