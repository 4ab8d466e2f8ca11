"""What the README prints stands below its code, this code draws its picture, and links of all pages lead somewhere."""

import contextlib
import io
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from typer.testing import CliRunner

from stochq.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"^```python\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```python\n.*?^```\n\n^```\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
LINK = re.compile(r"\]\(([^)#]+)")
# Rounding of other processors, far below the standard errors that the output prints.
TOLERANCE = 2e-2
MOST_LINES = 110


@pytest.mark.usefixtures("settings_of_users")
def test_the_code_prints_what_stands_below_it():
    programs, outputs = PROGRAM.findall(README), OUTPUT.findall(README)
    names = {"__name__": "readme"}
    for program, output in zip(programs, outputs, strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, "README.md", "exec"), names)
        assert words(printed.getvalue()) == words(output)
        np.testing.assert_allclose(numbers(printed.getvalue()), numbers(output), rtol=TOLERANCE, atol=TOLERANCE)


def words(text):
    return NUMBER.sub("#", text).split()


def numbers(text):
    return [float(number) for number in NUMBER.findall(text)]


def test_it_is_short():
    assert README.count("\n") <= MOST_LINES


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.release
def test_the_picture_is_drawn_by_the_present_code(tmp_path):
    """Not to the pixel: letters are set by the machine's fonts, and lines move by rounding."""
    picture = tmp_path / "chain.png"
    arguments = [
        str(ROOT / "scripts/examples/oqt-chain.toml"),
        "--out",
        str(tmp_path / "chain.nc"),
        "--plot",
        str(picture),
    ]
    assert CliRunner().invoke(app, ["run", *arguments]).exit_code == 0
    drawn, shown = matplotlib.image.imread(picture), matplotlib.image.imread(ROOT / "docs/oqt-chain.png")
    assert drawn.shape == shown.shape
    assert np.abs(drawn - shown).mean() < 0.005
