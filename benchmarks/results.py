"""What was measured, as JSON in benchmarks/results/ and as tables between the page's marks."""

import json
from pathlib import Path
from typing import Any

from stochq.files import replace_file

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"


def save(results: dict[str, Any], name: str) -> None:
    """Write the results of a command; an interruption leaves the earlier ones."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = json.dumps(results, indent=1) + "\n"
    replace_file(FOLDER / f"{name}.json", lambda aside: aside.write_text(content, encoding="utf-8"))


def load(name: str) -> dict[str, Any] | None:
    """The results that a command wrote, None if there are none."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def replace_between(path: Path, start_mark: str, end_mark: str, text: str) -> str:
    """Replace what stands between two marks of a file; says what was done."""
    content = path.read_text(encoding="utf-8") if path.exists() else ""
    before, start, rest = content.partition(start_mark)
    _, end, after = rest.partition(end_mark)
    if not (start and end):
        return f"{path.name} has no {start_mark} ... {end_mark}: no table was written."
    path.write_text(f"{before}{start_mark}\n{text}\n{end_mark}{after}", encoding="utf-8")
    return f"The table in {path.name} is new."
