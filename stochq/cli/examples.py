"""The examples, copied to where a user works on them."""

from pathlib import Path

import typer

import stochq
from stochq.cli.schema import KINDS, schema_text

# In an installation they lie in the package, in a checkout among the scripts.
_PACKAGE = Path(stochq.__file__).parent
SCHEMAS = "schema"
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parent / "scripts" / "examples")


def copy_examples(folder: Path) -> None:
    """Copy every example to a folder, which is made, and the schemas that they name; files that are there stay as they
    are.

    Raises:
        ValueError: for a file of another content under a name of theirs.
    """
    examples = sorted(next(each for each in _FOLDERS if each.is_dir()).glob("*.*"))
    files = {each.name: _with_schema_beside(each.read_bytes()) for each in examples}
    files |= {f"{SCHEMAS}/{kind}.json": schema_text(kind).encode() for kind in KINDS}
    changed = [name for name, content in files.items() if _differs(content, folder / name)]
    if changed:
        raise ValueError(f"DIR: {folder} has other files of the names {', '.join(changed)}; name another folder")
    (folder / SCHEMAS).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    typer.echo(f"{len(examples)} files in {folder}. Try: stochq run {folder / 'oqt-chain.toml'}")


def _with_schema_beside(content: bytes) -> bytes:
    """An example whose first line, by which editors know its keys, names the schema that is copied with it."""
    return content.replace(b"#:schema ../../docs/schema/", f"#:schema {SCHEMAS}/".encode(), 1)


def _differs(content: bytes, target: Path) -> bool:
    return target.exists() and target.read_bytes() != content
