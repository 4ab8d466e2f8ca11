"""Results are written whole, read back, and put between a page's marks; benchmarks import each other one way."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import benchmarks
from benchmarks import results

FOLDER = Path(benchmarks.__path__[0])


def _imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "benchmarks":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("benchmarks."):
            yield node.module.split(".")[1]


def test_imports_form_no_circle():
    graph = {path.stem: set(_imported(path)) for path in FOLDER.glob("*.py")}
    assert "children" in graph["child"] and graph["results"] == set()
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_results_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "made")
    assert results.load("a") is None
    for rows in ([1, 2], [3]):
        results.save({"rows": rows}, "a")
        assert results.load("a") == {"rows": rows}
    assert (tmp_path / "made" / "a.json").read_text() == '{\n "rows": [\n  3\n ]\n}\n'
    with pytest.raises(TypeError):
        results.save({"rows": object()}, "a")
    assert results.load("a") == {"rows": [3]} and len(list((tmp_path / "made").iterdir())) == 1
