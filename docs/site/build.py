"""Builds the documentation site: copies the pages, runs the scripts among them, makes one reference page a room, and
calls Zensical.

`scripts/docs` calls it. Mathematics, fonts and the search need no network. A warning is an error, and so is a public
name without an entry. Pages of scripts are kept until the script, its data or the library changes.
"""

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pages_of_scripts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / ".cache" / "docs"
_NAMES = "systems models channels schemes noise measurement exact inference feedback gaussian bounds plotting"
ROOMS = ("stochq", *(f"stochq.{room}" for room in f"{_NAMES} constants qutip".split()))
# Where the menu of mkdocs.yml takes in the pages of the reference.
_PLACE = "      # The rooms of the library.\n"


def public_names(room: ModuleType) -> dict[str, object]:
    """The names that a room offers, without its modules."""
    names = getattr(room, "__all__", None) or [name for name in dir(room) if not name.startswith("_")]
    found = {name: getattr(room, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if _is_own(value)}


def _is_own(value: object) -> bool:
    """Whether something was made here, and is no module; numbers do not tell where they were made."""
    return not inspect.ismodule(value) and getattr(value, "__module__", "stochq").startswith("stochq")


def reference_page(room: ModuleType) -> str:
    """A page with everything public of a room; values without a docstring of their own are listed with the room's."""
    short = room.__name__.replace("stochq", "sq", 1)
    parts = [f"# {short}\n", f"{inspect.cleandoc(room.__doc__ or '')}\n"]
    for name, value in public_names(room).items():
        parts.append(entry(f"{short}.{name}", value))
    return "\n".join(parts)


def entry(heading: str, value: object) -> str:
    """One object, by the place where it is written, under the name that users write."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return f"## {heading}\n\n`{value!r}`\n" if isinstance(value, float | int | tuple) else f"## {heading}\n"
    path = f"{value.__module__}.{value.__qualname__}"
    return f'::: {path}\n    options:\n      heading: "{heading}"\n'


def write_pages(pages: Path) -> list[str]:
    """Everything that the site shows; the names of the reference's pages."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("site", "check.py"))
    shutil.copy(HERE / "style.css", pages)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    home = re.sub(r"\]\(((?:tutorials|howto)/[\w-]+)\.py\)", r"](\1.md)", readme.replace("](docs/", "]("))
    (pages / "index.md").write_text(home, encoding="utf-8")
    (pages / "reference").mkdir()
    # Zensical draws a page again where its text has changed: docstrings, and how they are read, are not in it.
    digest = pages_of_scripts.digest([*(ROOT / "stochq").rglob("*.py"), *HERE.glob("*.py")])
    written = []
    for name in ROOMS:
        page = name.removeprefix("stochq.")
        text = f"{reference_page(importlib.import_module(name))}\n<!-- {digest} -->\n"
        (pages / "reference" / f"{page}.md").write_text(text, encoding="utf-8")
        written.append(page)
    return written


def build(folder: Path) -> None:
    """Write the pages and the configuration into a folder, and the site beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = write_pages(folder / "pages")
    pages_of_scripts.write(ROOT, folder / "pages", folder / "executed")
    listed = "".join(f"      - sq{'' if page == 'stochq' else '.' + page}: reference/{page}.md\n" for page in written)
    configuration = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
    (folder / "mkdocs.yml").write_text(configuration.replace(_PLACE, listed), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)])}
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", "mkdocs.yml"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    if missing := names_without_entry(folder / "site"):
        raise SystemExit(f"The reference has no entry of {', '.join(missing)}")


def names_without_entry(site: Path) -> list[str]:
    """Public functions and classes whose heading is on no page of the reference."""
    missing = []
    for name in ROOMS:
        page = site / "reference" / name.removeprefix("stochq.") / "index.html"
        html = page.read_text(encoding="utf-8") if page.exists() else ""
        headings = set(re.findall(r">\s*(sq\.[\w.]+)", html))
        short = name.replace("stochq", "sq", 1)
        missing += [
            f"{short}.{each}"
            for each in public_names(importlib.import_module(name))
            if f"{short}.{each}" not in headings
        ]
    return missing


if __name__ == "__main__":
    build(FOLDER)
    print(f"The site: {FOLDER / 'site' / 'index.html'}")
