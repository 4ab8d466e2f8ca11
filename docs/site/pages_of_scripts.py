"""The scripts of docs/tutorials and docs/howto as pages of the site, each run once for what it depends on."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

FOLDERS = ("tutorials", "howto")
_HERE = Path(__file__).resolve().parent
# Each of them compiles and draws; more would wait for each other on two cores.
_PROCESSES = 2


def scripts(root: Path) -> list[Path]:
    """All of them, in the repository at `root`."""
    return [path for folder in FOLDERS for path in sorted((root / "docs" / folder).glob("*.py"))]


def digest(paths: Iterable[Path]) -> str:
    """Of what is in files, and of their names."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def write(root: Path, pages: Path, kept: Path) -> None:
    """Run the scripts whose pages are not kept, and put all pages into their places among the others."""
    library = digest([*(root / "stochq").rglob("*.py"), _HERE / "percent_scripts.py"])
    places = {script: kept / script.stem / _key(script, library) for script in scripts(root)}
    _run({script: place for script, place in places.items() if not (place / f"{script.stem}.md").exists()})
    for script, place in places.items():
        for other in place.parent.iterdir():
            if other != place:
                shutil.rmtree(other)
        shutil.copytree(place, pages / script.parent.name, dirs_exist_ok=True)


def _key(script: Path, library: str) -> str:
    """The digest of what a page depends on: the script, the data beside it, and the library."""
    data = [path for path in script.parent.iterdir() if path.is_file() and path.suffix != ".py"]
    return hashlib.sha256((digest([script, *data]) + library).encode()).hexdigest()[:16]


def _run(places: dict[Path, Path]) -> None:
    """Write the page of each script into its folder, by some processes at a time."""
    root = _HERE.parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "MPLBACKEND": "agg"}
    started = []
    for part in range(_PROCESSES):
        pairs = [str(path) for script in list(places)[part::_PROCESSES] for path in (script, places[script])]
        if pairs:
            command = [sys.executable, str(_HERE / "percent_scripts.py"), *pairs]
            started.append(subprocess.Popen(command, env=environment))
    if any([process.wait() for process in started]):
        raise SystemExit("A page's script did not run; its error stands above.")
