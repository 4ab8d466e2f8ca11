"""What users pass has types: no parameter of a public name is `Any`, and type checkers tell wrong calls from right."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

import stochq as sq

TYPING = Path(__file__).parent / "typing"
ROOMS = ["stochq", *(f"stochq.{name}" for name in sq.__all__ if inspect.ismodule(getattr(sq, name)))]
# What these methods are given is a tree that the object itself has made before, of a structure that only it knows.
OWN_TREES = {
    "total",
    "summary",
    "finished",
    "state",
    "suspended",
    "memory",
    "terms",
    "words",
    "even_words",
    "odd_words",
}
# Results, which the library makes and users read.
MADE_HERE = {"Band", "EnsembleResult", "Fit", "History", "Intervals", "OtherMinimum", "Tracked"}
# The channel of a flow is of the family that made the flow; entries are tables of a file.
OTHERS = {"stochq.channels.Flow(channel)", "stochq.bounds.build(entry)"}


def functions_of(name, thing):
    """The constructor and the public methods of a class, or the function itself, by name."""
    if not inspect.isclass(thing):
        return {name: thing} if callable(thing) else {}
    methods = {f"{name}.{key}": getattr(thing, key) for key in vars(thing) if not key.startswith("_")}
    found = {key: method for key, method in methods.items() if inspect.isfunction(method) or inspect.ismethod(method)}
    return found if name in MADE_HERE else {name: thing, **found}


def holds_any(annotation):
    """Whether an annotation is `Any`, or has it in a list or a mapping; one that is a text is read as such."""
    if isinstance(annotation, str):
        return "Any" in annotation.replace("[", " ").replace("]", " ").replace(",", " ").split()
    if isinstance(annotation, list):
        return any(map(holds_any, annotation))
    return annotation is Any or any(map(holds_any, get_args(annotation)))


def untyped(room):
    """Parameters without a type, of all names of a room."""
    module = importlib.import_module(room)
    for name in getattr(module, "__all__", dir(module)):
        thing = getattr(module, name)
        if name.startswith("_") or not getattr(thing, "__module__", "stochq").startswith("stochq"):
            continue
        for place, function in functions_of(name, thing).items() if not inspect.ismodule(thing) else ():
            try:
                parameters = inspect.signature(function).parameters.values()
            except ValueError:
                continue
            for one in parameters:
                label = f"{room}.{place}({one.name})"
                given = one.annotation is not inspect.Parameter.empty or one.name in ("self", "cls")
                if one.name not in OWN_TREES and label not in OTHERS and (not given or holds_any(one.annotation)):
                    yield label


@pytest.mark.parametrize("room", ROOMS)
def test_no_parameter_is_any(room):
    assert not list(untyped(room))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(Any, True), (list[Any], True), (int | None, False), ("Sequence[Any]", True), ("Anything", False)],
)
def test_any_is_found(annotation, expected):
    assert holds_any(annotation) is expected


@pytest.fixture(scope="module")
def faults():
    """Lines with errors by file, as pyright tells them."""
    command = [sys.executable, "-m", "pyright", "--outputjson", *map(str, sorted(TYPING.glob("*.py")))]
    told = subprocess.run(command, cwd=TYPING.parent.parent, capture_output=True, text=True, check=False)
    lines = {path.name: set() for path in TYPING.glob("*.py")}
    for one in json.loads(told.stdout)["generalDiagnostics"]:
        if one["severity"] == "error":
            lines[Path(one["file"]).name].add(one["range"]["start"]["line"] + 1)
    return lines


@pytest.mark.release
def test_wrong_calls_are_told(faults):
    """Every call of misuse.py, which has one a line, none elsewhere."""
    text = (TYPING / "misuse.py").read_text().splitlines()
    begin = max(number for number, line in enumerate(text, 1) if line.startswith("EXACT = ")) + 1
    calls = {number for number, line in enumerate(text, 1) if number > begin and line.startswith(("sq.", "RESULT."))}
    assert len(calls) >= 20
    assert faults["misuse.py"] == calls


@pytest.mark.release
def test_usual_calls_have_no_fault(faults):
    assert faults["use.py"] == set()
