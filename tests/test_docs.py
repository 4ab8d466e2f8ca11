"""The pages' code runs: every Python block of docs/, those of a page in one namespace; links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("*.md"))
LONG = {
    "composite.md",
    "extending.md",
    "feedback.md",
    "fitting.md",
    "measurement.md",
    "phase-space.md",
    "qutip.md",
    "spins.md",
    "unravelling.md",
}


@pytest.mark.usefixtures("settings_of_users")
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.release] * (page.name in LONG)) for page in PAGES],
    ids=lambda page: page.name,
)
@pytest.mark.sweep(3)
def test_the_code_of_a_page_runs(page):
    text = page.read_text(encoding="utf-8")
    names = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        # As many lines before it as on the page, so that a failure names the line there.
        above = "\n" * (text.count("\n", 0, block.start()) + 1)
        exec(compile(above + block[1], str(page), "exec"), names)
