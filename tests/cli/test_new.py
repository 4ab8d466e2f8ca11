"""`stochq new` writes files that run; `stochq reproduce --help` lists what there is."""

import importlib
import re
import tomllib

import pytest

from stochq.cli.build import build
from stochq.cli.config import load_config
from stochq.cli.experiment import load_experiment
from stochq.cli.models import Model
from stochq.cli.new import KINDS, STARTS
from stochq.cli.schema import schema_of
from stochq.papers import PAPERS
from tests.cli import validate
from tests.cli.test_run import invoke, refused


def test_there_is_one_for_every_model():
    models = Model.__origin__.__args__
    assert {model.model_fields["kind"].annotation.__args__[0] for model in models} == set(STARTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sweep(5)
def test_a_new_file_is_taken_and_describes_every_key(kind, tmp_path):
    path = tmp_path / "new" / "mine.toml"
    assert invoke("new", kind, path).exit_code == 0
    text = path.read_text(encoding="utf-8")
    command = kind if kind in ("exclude", "fit") else "run"
    assert validate.complaints(tomllib.loads(text), schema_of(command)) == []
    if kind == "exclude":
        load_experiment(path)
    else:
        build(load_config(path), str(path))
    for line in text.splitlines():
        if re.match(r"\w+ = ", line) and not line.startswith("title"):
            assert re.search(r" # \S", line), line
    refused(invoke("new", kind, path), "a name that nothing has yet")


def test_keys_behind_a_hash_are_keys(tmp_path):
    path = tmp_path / "suv.toml"
    invoke("new", "suv", path)
    text = re.sub(r"^# (\w+ = (?!\.\.\.))", r"\1", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert "\nprecision = " in text and "\nbasis = " in text
    path.write_text(text, encoding="utf-8")
    assert load_config(path).run.precision == "single"


def test_the_help_lists_the_kinds():
    text = invoke("new", "--help").stdout
    assert all(re.search(rf"\b{kind}\b", text) for kind in KINDS)


def test_another_kind_is_told_what_there_is(tmp_path):
    refused(invoke("new", "cls", tmp_path / "a.toml"), "did you mean 'csl'?")


def test_the_help_lists_papers_and_figures():
    text = invoke("reproduce", "--help").stdout.replace("\n", " ")
    for paper in PAPERS:
        claims = importlib.import_module(f"stochq.papers.{paper.replace('-', '_')}").CLAIMS
        assert paper in text
        assert all(re.search(rf"\b{re.escape(claim)}\b", text) for claim in claims), (paper, list(claims))


def test_shells_complete_the_commands():
    assert "--install-completion" in invoke("--help").stdout
