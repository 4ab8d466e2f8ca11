"""Percent scripts become Markdown pages: their cells run, and what these print and draw stands below them.

The scripts of docs/tutorials and docs/howto are in the percent format, which Jupyter (by jupytext), VS Code, Spyder and
PyCharm open as notebooks. A cell begins with `# %%`, one of text with `# %% [markdown]`. As in a notebook the value of
a cell's last expression is shown. Neighbouring cells that are marked `# %% column="..."` stand beside each other under
that heading. The pages are plain Markdown and PNG, so that any generator of sites takes them.
"""

import ast
import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DPI = 130
MARK = re.compile(r'^# %%(?P<markdown> \[markdown\])?(?: column="(?P<column>[^"]+)")?$')


@dataclass(frozen=True)
class Cell:
    """One cell: its text, the line of the script on which that begins, and the heading of its column if it has one."""

    text: str
    line: int
    is_code: bool
    column: str = ""


def cells(script: str) -> list[Cell]:
    """The cells of a percent script; what stands before the first mark is not shown.

    >>> [cell.text for cell in cells("# %% [markdown]\\n# # One\\n# %%\\n1 + 1\\n")]
    ['# One', '1 + 1']
    """
    lines = script.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        mark = MARK.match(lines[start])
        if mark is None:
            raise ValueError(f'line {start + 1}: expected "# %%", [markdown] or column="..."; got {lines[start]!r}.')
        body = lines[start + 1 : stop]
        if mark["markdown"]:
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        text = "\n".join(body).strip("\n")
        # Lines of errors are counted in the script.
        skipped = len(body) - len("\n".join(body).lstrip("\n").split("\n"))
        if text:
            found.append(Cell(text, start + 2 + skipped, not mark["markdown"], mark["column"] or ""))
    return found


def run(cell: Cell, names: dict[str, Any], path: Path) -> tuple[str, Any]:
    """What a cell prints, and the value of its last expression; None where there is none."""
    tree = ast.parse("\n" * (cell.line - 1) + cell.text, str(path))
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(path), "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
    return printed.getvalue(), value


@contextlib.contextmanager
def workplace(path: Path) -> Iterator[None]:
    """A folder with the data beside a script, in which it may write."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for each in path.parent.iterdir():
            if each.is_file() and each.suffix != ".py":
                shutil.copy(each, folder)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def page(path: Path, folder: Path) -> str:
    """The page of a script; its pictures are written into a folder, in which the page is to stand."""
    import matplotlib

    matplotlib.use("agg")
    folder, parts, names, columns = folder.resolve(), [], {"__name__": "__main__"}, []
    with workplace(path):
        for number, cell in enumerate(cells(path.read_text(encoding="utf-8"))):
            if not cell.is_code:
                shown = cell.text
            else:
                printed, value = run(cell, names, path)
                shown = f"```python\n{cell.text}\n```\n{_output(printed, value, folder, f'{path.stem}-{number}')}"
            if columns and not cell.column:
                parts.append(_beside(columns))
                columns = []
            if cell.column:
                columns.append((cell.column, shown))
            else:
                parts.append(shown)
    parts += [_beside(columns)] if columns else []
    parts.append(f"---\n\nThis page is a script that runs, and opens as a notebook: [{path.name}]({path.name}).")
    return "\n\n".join(parts) + "\n"


def _output(printed: str, value: object, folder: Path, name: str) -> str:
    """What stands below a cell: the printed text, then the picture or the text of its value."""
    shown = [_text(printed)] if printed.strip() else []
    if hasattr(value, "savefig"):
        value.savefig(folder / f"{name}.png", dpi=DPI)
        shown.append(f"![What the code above draws]({name}.png)\n")
    elif hasattr(value, "to_jshtml"):
        value.save(folder / f"{name}.gif", writer="pillow")
        shown.append(f"![What the code above draws, over time]({name}.gif)\n")
    elif value is not None:
        shown.append(_text(repr(value)))
    return "\n" + "\n".join(shown) if shown else ""


def _text(printed: str) -> str:
    return f"```text\n{printed.rstrip()}\n```\n"


def _beside(columns: list[tuple[str, str]]) -> str:
    heads = "".join(f"<th>{heading}</th>" for heading, _ in columns)
    bodies = "".join(f'<td markdown="1">\n\n{shown}\n\n</td>' for _, shown in columns)
    return f"<table>\n<tr>{heads}</tr>\n<tr>{bodies}</tr>\n</table>"


if __name__ == "__main__":
    # Pairs of a script and a folder for its page.
    for source, target in zip(map(Path, sys.argv[1::2]), map(Path, sys.argv[2::2]), strict=True):
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{source.stem}.md").write_text(page(source.resolve(), target.resolve()), encoding="utf-8")
