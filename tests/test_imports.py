"""Imports run one way, and importing the package stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stochq

ROOT = Path(stochq.__file__).parent
RANK = {
    "accelerators": 0, "arrays": 0, "callers": 0, "closures": 0, "compiling": 0, "constants": 0, "events": 0,
    "files": 0, "forks": 0, "function_checks": 0, "functions": 0, "held": 0, "hosts": 0, "locks": 0, "module": 0,
    "noise": 0, "operators": 0, "qutip_objects": 0, "real_parts": 0, "traces": 0, "systems": 1, "laws": 1.5,
    "channels": 2, "measurement": 2.5, "instruments": 2.7, "equation": 3, "equation_input": 3.5,
    "models": 4, "schemes": 4, "feedback": 4.5,
    "accuracy": 5, "ensemble": 6, "compare": 7, "fermions": 7, "inference": 7.5,
    "papers": 8, "qutip": 8, "cli": 9,
}  # fmt: skip
# exact imports equation and below; gaussian systems and what runs its trajectories; papers and cli alone draw.
ALLOWED = {
    "exact": {
        "arrays", "callers", "constants", "forks", "function_checks", "functions", "module", "noise", "operators",
        "qutip_objects", "real_parts", "systems", "laws", "channels", "measurement", "equation",
        "equation_input", "exact",
    },
    "bounds": {"arrays", "callers", "constants", "module", "systems", "bounds"},
    "gaussian": {
        "accuracy", "arrays", "callers", "constants", "functions", "module", "systems", "measurement", "noise",
        "ensemble", "gaussian",
    },
}  # fmt: skip
DRAWERS = {"plotting", "io"}


def _at_runtime(node):
    """All nodes below but those that only a type checker sees."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from _at_runtime(child)


def imported(path):
    """(imported room, whether the import stands at module level) of every import of this package in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in _at_runtime(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "stochq":
            names = [node.module] if "." in node.module else [f"stochq.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("stochq.")]
        for name in names:
            yield name.split(".")[1], id(node) in top


def test_imports_run_one_way():
    wrong = []
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for other, at_top in imported(path):
            if other not in ALLOWED.get(room, {other}) | DRAWERS:
                wrong.append(f"{path.name}: {room} imports {other}")
            elif (
                room in RANK
                and other in RANK
                and (RANK[other] > RANK[room] or (RANK[other] == RANK[room] != 0 and other != room))
            ):
                wrong.append(f"{path.name}: {room} imports {other}")
            elif other in DRAWERS and at_top and room not in {"papers", "cli", *DRAWERS}:
                wrong.append(f"{path.name}: {room} imports {other} at module level")
    assert not wrong, wrong


def test_flows_know_families_and_families_name_flows_only_when_asked():
    """Inside `flow(law)`: neither folder of `channels` waits for the other to be imported."""
    for path in (ROOT / "channels").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
        if path.parent.name != "flows":
            assert not [name for name in names if name.startswith("stochq.channels.flows")], path.name


def test_importing_is_light():
    heavy = [
        "matplotlib",
        "xarray",
        "typer",
        "pydantic",
        "rich",
        "diffrax",
        "optax",
        "optimistix",
        "h5py",
        "scipy.special",
        "qutip",
        "stochq.qutip",
    ]
    code = (
        "import sys, jax; before = jax.config.jax_enable_x64; import stochq; "
        f"print([m for m in {heavy} if m in sys.modules], before == jax.config.jax_enable_x64)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"


def test_qutips_words_say_what_they_need_where_qutip_is_not_installed():
    code = "import sys; sys.modules['qutip'] = None; import stochq.qutip"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: stochq.qutip: expected QuTiP beside stochq")


def test_no_room_is_named_utils():
    assert not list(ROOT.rglob("utils*"))


@pytest.mark.parametrize("room", ["gaussian", "bounds", "papers"])
def test_no_function_shares_its_name_with_its_module(room):
    """Or the module cannot be reached by its name."""
    shared = []
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == path.stem:
                shared.append(path.name)
    assert shared == []
