"""Checks that the documentation is whole; exits with 1 and says what is missing where it is not.

    python docs/check.py

Every public name of the library and of each of its rooms has an entry in the reference, with a docstring; every page
stands in the menu, and the menu names no other; links between pages lead somewhere. Where `scripts/docs` has built the
site, it is looked at too: an entry for each name, formulas drawn, nothing that a browser would fetch from elsewhere.
"""

import importlib
import inspect
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "site")]

import build  # noqa: E402
import pages_of_scripts  # noqa: E402

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
NO_PROSE = re.compile(r"<(pre|code|math|script|style|nav)\b.*?</\1>|<[^>]+>", re.DOTALL)
FROM_ELSEWHERE = re.compile(r'src="https?://|href="https?://[^"]+\.(?:css|js)"')


def unnamed_rooms() -> list[str]:
    """Modules among the public names of the library that are no room of the reference."""
    library = importlib.import_module("stochq")
    modules = [name for name in library.__all__ if inspect.ismodule(getattr(library, name))]
    return [f"stochq.{name} has no page" for name in modules if f"stochq.{name}" not in build.ROOMS]


def names_without_entry() -> list[str]:
    """Public names that their room's page leaves out, or that say nothing of themselves."""
    missing = []
    for room in map(importlib.import_module, build.ROOMS):
        short, page = room.__name__.replace("stochq", "sq", 1), build.reference_page(room)
        for name, value in build.public_names(room).items():
            if f"{short}.{name}" not in page:
                missing.append(f"{short}.{name} has no entry")
            elif callable(value) and not value.__doc__:
                missing.append(f"{short}.{name} has no docstring")
    return missing


def pages() -> set[str]:
    """The pages, as the menu names them."""
    written = {path.name for path in DOCS.glob("*.md")} | {"index.md"}
    return written | {f"{path.parent.name}/{path.stem}.md" for path in pages_of_scripts.scripts(ROOT)}


def menu_and_pages() -> list[str]:
    """Pages without a place in the menu, and places without a page."""
    menu = set(re.findall(r"(\S+\.md)$", (DOCS / "site" / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    absent = [f"{page} is not in the menu" for page in sorted(pages() - menu)]
    return absent + [f"{page} is in the menu, and nowhere else" for page in sorted(menu - pages())]


def broken_links() -> list[str]:
    """Links from a page to a file that is not there."""
    broken = []
    for source in [*sorted(DOCS.glob("*.md")), ROOT / "README.md", *pages_of_scripts.scripts(ROOT)]:
        for target in LINK.findall(source.read_text(encoding="utf-8")):
            path = source.parent / target
            script = path.with_suffix(".py") if path.parent.name in pages_of_scripts.FOLDERS else path
            if not (path.exists() or script.exists()):
                broken.append(f"{source.relative_to(ROOT)} links to {target}, which is not there")
    return broken


def faults_of_the_site(site: Path) -> list[str]:
    """What the built site lacks, does not draw, or would fetch from elsewhere."""
    faults = [
        f"{name} has no entry in the built site; run scripts/docs again" for name in build.names_without_entry(site)
    ]
    for page in site.rglob("*.html"):
        text, name = page.read_text(encoding="utf-8"), page.relative_to(site)
        if FROM_ELSEWHERE.search(text):
            faults.append(f"{name} of the built site fetches something from elsewhere")
        if "$" in NO_PROSE.sub("", text):
            faults.append(f"{name} of the built site holds a formula that is not drawn")
    return faults


def faults() -> list[str]:
    """All that is wrong with the pages as they are written."""
    return [*unnamed_rooms(), *names_without_entry(), *menu_and_pages(), *broken_links()]


if __name__ == "__main__":
    found, site = faults(), build.FOLDER / "site"
    if site.exists():
        found += faults_of_the_site(site)
    print("\n".join(found) or f"{len(pages())} pages and {len(build.ROOMS)} rooms: nothing is missing.")
    sys.exit(bool(found))
