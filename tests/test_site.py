"""The documentation site: public names have entries, pages stand in the menu. To build it takes `scripts/docs`."""

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"


def loaded(path):
    spec = importlib.util.spec_from_file_location(f"site_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = loaded(SITE / "build.py")


@pytest.mark.parametrize("room", build.ROOMS)
def test_every_public_name_has_an_entry_that_says_something(room):
    module = importlib.import_module(room)
    names = build.public_names(module)
    page = build.reference_page(module)
    assert names and all(f"{room.replace('stochq', 'sq', 1)}.{name}" in page for name in names)
    assert not [name for name, value in names.items() if callable(value) and not value.__doc__]


def test_every_page_stands_in_the_menu():
    menu = set(re.findall(r"(\S+\.md)", (SITE / "mkdocs.yml").read_text(encoding="utf-8")))
    assert menu == {page.name for page in (ROOT / "docs").glob("*.md")} | {"index.md"}


def test_the_readme_becomes_the_first_page(tmp_path):
    written = build.write_pages(tmp_path / "pages")
    assert "](docs/" not in (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")
    assert {path.stem for path in (tmp_path / "pages" / "reference").iterdir()} == set(written)
    assert not (tmp_path / "pages" / "site").exists()
