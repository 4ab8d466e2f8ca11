"""The JSON schema takes what the commands take and refuses what they refuse, and every key has a description."""

import copy
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stochq.cli.build import build
from stochq.cli.config import check_config
from stochq.cli.errors import ConfigError
from stochq.cli.schema import KINDS, schema_of
from tests.cli import validate
from tests.cli.test_run import invoke

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "scripts" / "examples").glob("*.toml"))
RUNS = [tomllib.loads(path.read_text(encoding="utf-8")) for path in EXAMPLES if "exclude" not in path.name]
SCHEMA = validate.validator(schema_of("run"))
# What stands in place of a key's value: other types, signs, lengths; and None for a key that is left out.
ODD = [None, -1, 0, 2.5, 1e-3, True, "", "energy", "ising", [], [1.0], [[1.0, 0.0]], [0.5, 0.5], {}, {"kind": "x"}]


def keys(table, path=()):
    """The paths of all keys of a file, of tables as well."""
    for name, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from keys(value, (*path, name))


@st.composite
def changed(draw):
    """A configuration of the examples with one to two keys changed, left out, misspelt or added."""
    data = copy.deepcopy(draw(st.sampled_from(RUNS)))
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from(list(keys(data))))
        table = data
        for name in above:
            table = table[name]
        value = copy.deepcopy(draw(st.sampled_from(ODD)))
        misspelt = isinstance(last, str) and draw(st.integers(0, 3)) == 0
        if value is None:
            del table[last]
        elif misspelt:
            table[f"{last}s"] = table.pop(last)
        else:
            table[last] = value
    return data


def runs(data):
    """Whether `stochq run` begins with a file."""
    try:
        build(check_config(data, "f.toml"), "f.toml")
    except (ConfigError, ValueError):
        return False
    return True


def test_of_200_wrong_files_schema_and_command_refuse_nearly_the_same():
    """That neither an observable is unknown nor a length too small for its grid is nothing that a schema can say."""
    seen, wrong = set(), []

    @settings(max_examples=600, phases=[Phase.generate])
    @given(changed())
    def collect(data):
        text = json.dumps(data)
        if text in seen or len(wrong) == 200:
            return
        seen.add(text)
        taken, started = SCHEMA.is_valid(data), runs(data)
        assert taken or not started, f"the schema refuses what runs: {data}"
        if not started:
            wrong.append(taken)

    collect()
    assert len(wrong) == 200
    assert sum(wrong) <= 10


def without_description(schema):
    """Keys of a schema that say nothing."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    own = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return [name for name, key in own.items() if not key.get("description")] + sum(map(without_description, parts), [])


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_described(kind):
    assert not without_description(schema_of(kind))
    assert json.loads(invoke("schema", kind).stdout) == schema_of(kind)


@pytest.mark.parametrize(("kind", "changes", "taken"), [
    ("fit", {"fit": {"parameters": {"model.strength": {"start": 0.5, "bounds": [0.0, 2.0]}}}}, True),
    ("fit", {}, False),
    ("fit", {"fit": {"parameters": {"run.seed": {}}}}, False),
    ("fit", {"fit": {"parameters": {"model.strength": {"bounds": [0.0]}}}}, False),
    ("run", {"observables": {"up": {"matrix": [[1, [0, 1]], [[0, -1], 0]]}}}, True),
    ("run", {"observables": {"up": {"matrix": [1, 2]}}}, False),
    ("run", {"observables": {"up": {}}}, False),
    ("run", {"observables": {"up": {"pauli": "X0", "part": "a"}}}, False),
    ("run", {"drives": [{"kind": "cosine", "operator": "energy", "amplitude": 1, "frequency": 2.0}]}, True),
    ("run", {"drives": [{"kind": "cosine", "amplitude": 1, "frequency": 2.0}]}, False),
])  # fmt: skip
def test_single_files(kind, changes, taken):
    data = next(each for each in RUNS if each["model"]["kind"] == "suv") | changes
    assert validate.validator(schema_of(kind)).is_valid(data) == taken


def test_examples_name_their_schema_in_the_first_line_and_pass():
    command = [sys.executable, ROOT / "tests" / "cli" / "validate.py", *EXAMPLES]
    made = subprocess.run(command, input=json.dumps(schema_of("run")), capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.count("accepted (stochq run)") == len(RUNS)
    for path in EXAMPLES:
        named = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix(validate.LINE)
        assert (path.parent / named).resolve().is_relative_to(ROOT / "docs" / "schema")


def test_what_is_made_from_the_keys_is_current():
    spec = importlib.util.spec_from_file_location("configuration", ROOT / "docs" / "site" / "configuration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python docs/site/configuration.py"
