"""The documentation site: public names have entries, pages stand in the menu. To build it takes `scripts/docs`."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "site")]
import build  # noqa: E402
import check  # noqa: E402
import pages_of_scripts  # noqa: E402


@pytest.mark.parametrize("room", build.ROOMS)
def test_every_public_name_has_an_entry_that_says_something(room):
    module = importlib.import_module(room)
    names = build.public_names(module)
    page = build.reference_page(module)
    assert names and all(f"{room.replace('stochq', 'sq', 1)}.{name}" in page for name in names)
    assert not [name for name, value in names.items() if callable(value) and not value.__doc__]


def test_nothing_is_missing():
    assert check.faults() == []
    assert len(check.pages()) > 40


def test_what_is_missing_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "ROOMS", ("stochq", "stochq.models"))
    assert "stochq.systems has no page" in check.unnamed_rooms()
    monkeypatch.setattr(check, "pages", lambda: {"index.md", "new.md"})
    told = check.menu_and_pages()
    assert told[0] == "new.md is not in the menu" and "models.md is in the menu, and nowhere else" in told
    (tmp_path / "page.md").write_text("[there](other.md), [not there](gone.md), [elsewhere](https://example.org)")
    (tmp_path / "other.md").write_text("[README](page.md)")
    (tmp_path / "README.md").write_text("")
    monkeypatch.setattr(check, "DOCS", tmp_path)
    monkeypatch.setattr(check, "ROOT", tmp_path)
    assert check.broken_links() == ["page.md links to gone.md, which is not there"]
    monkeypatch.setattr(build, "ROOMS", ())
    (tmp_path / "index.html").write_text('<script src="https://example.org/a.js"></script>')
    (tmp_path / "formula.html").write_text("<p><code>$$</code> as in <b>$$</b>x</p>")
    told = sorted(check.faults_of_the_site(tmp_path))
    assert [fault.split(" of ")[0] for fault in told] == ["formula.html", "index.html"]
    assert "is not drawn" in told[0] and "from elsewhere" in told[1]


def test_a_page_of_a_script_is_kept_until_what_it_depends_on_changes(monkeypatch, tmp_path):
    repository, made = tmp_path / "repository", []
    for name in ("docs/tutorials/one.py", "docs/tutorials/data.csv", "stochq/library.py"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("# %%\n1\n")

    def run(places):
        for script, place in places.items():
            made.append(script.name)
            place.mkdir(parents=True)
            (place / f"{script.stem}.md").write_text("A page.")

    monkeypatch.setattr(pages_of_scripts, "_run", run)
    for changed, times in ((None, 1), (None, 1), ("docs/tutorials/data.csv", 2), ("stochq/library.py", 3)):
        if changed:
            (repository / changed).write_text("# %%\n2\n")
        pages_of_scripts.write(repository, tmp_path / "pages", tmp_path / "kept")
        assert made == ["one.py"] * times
        assert (tmp_path / "pages" / "tutorials" / "one.md").exists()
    assert len(list((tmp_path / "kept" / "one").iterdir())) == 1


def test_the_readme_becomes_the_first_page(tmp_path):
    written = build.write_pages(tmp_path / "pages")
    assert "](docs/" not in (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")
    assert {path.stem for path in (tmp_path / "pages" / "reference").iterdir()} == set(written)
    assert not (tmp_path / "pages" / "site").exists()
