"""Writes what is made from the configuration's own classes: docs/schema/*.json and docs/configuration.md.

`python docs/site/configuration.py` after a key has changed; a test tells when it was forgotten.
"""

from pathlib import Path

from stochq.cli.schema import KINDS, schema_text

DOCS = Path(__file__).resolve().parents[1]


def files() -> dict[Path, str]:
    """The text of every file."""
    return {DOCS / "schema" / f"{kind}.json": schema_text(kind) for kind in KINDS}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
