"""The examples, copied to where a user works on them."""

import shutil
from pathlib import Path

import typer

import stochq

# In an installation they lie in the package, in a checkout among the scripts.
_PACKAGE = Path(stochq.__file__).parent
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parent / "scripts" / "examples")


def copy_examples(folder: Path) -> None:
    """Copy every example to a folder, which is made; files that are there stay as they are.

    Raises:
        ValueError: for a file of another content under a name of theirs.
    """
    examples = sorted(next(each for each in _FOLDERS if each.is_dir()).glob("*.*"))
    changed = [each.name for each in examples if _differs(each, folder / each.name)]
    if changed:
        raise ValueError(f"DIR: {folder} has other files of the names {', '.join(changed)}; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for example in examples:
        shutil.copyfile(example, folder / example.name)
    typer.echo(f"{len(examples)} files in {folder}. Try: stochq run {folder / 'oqt-chain.toml'}")


def _differs(example: Path, target: Path) -> bool:
    return target.exists() and target.read_bytes() != example.read_bytes()
