"""Warnings point to the line at which stochq was called, however deep below it they are raised."""

import ast
from pathlib import Path

import pytest

import stochq
from stochq.callers import users_line

INSIDE = """
def warn():
    warnings.warn("told", stacklevel=users_line())

def public():
    warn()
"""


def test_the_innermost_line_outside():
    inside = {"__name__": "stochq.some.module", "users_line": users_line}
    exec("import warnings" + INSIDE, inside)
    through = {"__name__": "equinox._module", "public": inside["public"]}
    exec("def method():\n    public()", through)
    for call in (inside["warn"], inside["public"], through["method"]):
        with pytest.warns(UserWarning, match="told") as told:
            call()
        assert told[0].filename == __file__


def test_every_warning_asks_for_it():
    calls = [
        (path, node)
        for path in Path(stochq.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
    ]
    assert calls
    for path, node in calls:
        levels = [ast.unparse(each.value) for each in node.keywords if each.arg == "stacklevel"]
        assert levels == ["users_line()"], f"{path}:{node.lineno}"
