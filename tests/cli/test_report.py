"""`stochq run --report`, `--set` and `--quiet`."""

import base64
import dataclasses
import os
import re
import warnings
from html.parser import HTMLParser

import pytest

import stochq as sq
from stochq import io
from stochq.cli.changes import changed
from stochq.cli.errors import ConfigError
from tests.cli.test_run import QUBIT, invoke, refused, write


class Page(HTMLParser):
    """The text of a page, its rows, what it loads from elsewhere, and tags that are left open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.rows, self.words = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.loaded += [value for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_a_report_is_one_file_with_everything(tmp_path):
    path = write(tmp_path, QUBIT, ('title = "A qubit"', 'title = "A <qubit> & more"'), ("dt = 0.25\n", ""))
    out, place = tmp_path / "r.nc", tmp_path / "made" / "report.html"
    options = ["--out", out, "--report", place, "--set", "model.strength=0.5", "--seed", "7"]
    assert invoke("run", path, *options).exit_code == 0
    text = place.read_text(encoding="utf-8")
    page, result = Page(text), sq.load(out)
    assert len(text) < 3_000_000 and "http" not in text and "<script" not in text
    (picture,) = page.loaded
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    for part in (
        "A <qubit> & more",
        "chi2 = ",
        "No trajectory failed",
        f"stochq {sq.__version__}",
        "jax ",
        'kind = "suv"',
    ):
        assert part in page.words, part
    assert f"dt = {result.dt:g}" in page.words and result.info["dt_reason"] in page.words
    assert "seed 7, trajectories 0 to 499" in page.words
    assert re.search(r"stochq run \S+config.toml --seed=7 --set=model.strength=0.5 --out=", page.words)
    heading, *rows = page.rows
    assert heading == ["observable", "t", "ensemble ± standard error", "exact", "z"] and len(rows) == 10
    assert rows[0][0] == "population_0" and float(rows[0][3]) == pytest.approx(0.36)
    mean = float(rows[4][2].partition(" ± ")[0])
    assert mean == pytest.approx(result.mean["population_0"][-1], abs=1e-3)
    # The same command makes the same numbers, and replaces its own report.
    assert invoke("run", path, *options).exit_code == 0
    assert (sq.load(out).mean["energy"] == result.mean["energy"]).all()


@pytest.mark.filterwarnings("default:observables")
def test_a_report_tells_warnings_and_failures(tmp_path, monkeypatch):
    simulate = sq.simulate

    def warns(*given, **named):
        warnings.warn("observables: <a> reaches the edge", stacklevel=2)
        return dataclasses.replace(simulate(*given, **named), failed=2)

    monkeypatch.setattr(sq, "simulate", warns)
    place = tmp_path / "r.html"
    done = invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc", "--report", place, "--quiet")
    assert done.exit_code == 0 and done.stdout == "" and "reaches the edge" in done.stderr
    page = Page(place.read_text(encoding="utf-8"))
    assert "observables: <a> reaches the edge" in page.words
    assert "2 of 500 trajectories became non-finite" in page.words


def test_a_report_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sq, "simulate", None)
    path, out = write(tmp_path, QUBIT), tmp_path / "r.nc"
    refused(invoke("run", path, "--out", out, "--report", tmp_path / "r.pdf"), "ends in .html")
    refused(invoke("run", path, "--out", out, "--report", tmp_path), "the folder")
    mine = tmp_path / "mine.html"
    mine.write_text("<html>mine</html>")
    refused(invoke("run", path, "--out", out, "--report", mine), "a report replaces only")
    assert mine.read_text() == "<html>mine</html>"
    closed = tmp_path / "closed"
    closed.mkdir()
    can = os.access
    # The superuser may write anywhere.
    monkeypatch.setattr(
        os, "access", lambda place, mode: can(place, mode) and not (str(place) == str(closed) and mode != os.R_OK)
    )
    refused(invoke("run", path, "--out", out, "--report", closed / "r.html"), "read-only")
    assert not out.exists()


def test_quiet_prints_nothing_and_does_the_same(tmp_path):
    out = tmp_path / "r.nc"
    done = invoke("run", write(tmp_path, QUBIT), "--out", out, "--quiet", "--set", "run.observables=['energy']")
    assert done.exit_code == 0 and done.output == ""
    assert list(sq.load(out).mean) == ["energy"] and list(io.load_curves(out).exact) == ["energy"]
    refused(invoke("run", tmp_path / "config.toml", "--quiet", "--set", "modl.strength=1"), "did you mean 'model'?")


def test_logs_and_pictures_have_their_folders_made_as_results_have(tmp_path):
    log = tmp_path / "new" / "deep" / "run.log"
    assert invoke("run", write(tmp_path, QUBIT), "--out", tmp_path / "r.nc", "--log", log).exit_code == 0
    assert '"event": "saved"' in log.read_text()
    picture = tmp_path / "other" / "p.png"
    assert invoke("plot", tmp_path / "r.nc", "--out", picture).exit_code == 0 and picture.is_file()


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("model.strength=0.5", {"model": {"kind": "suv", "strength": 0.5}}),
        ("model.kind=oqt", {"model": {"kind": "oqt", "strength": 1.0}}),
        ('model = { kind = "csl", rate = 1 }', {"model": {"kind": "csl", "rate": 1}}),
        ("model.list=[1, [2, 3]]", {"model": {"kind": "suv", "strength": 1.0, "list": [1, [2, 3]]}}),
        ("run.exact=false", {"model": {"kind": "suv", "strength": 1.0}, "run": {"exact": False}}),
        ('fit.parameters."model.strength"={}', {"fit": {"parameters": {"model.strength": {}}}}),
    ],
)
def test_values_are_set_as_toml_writes_them(text, table):
    data = {"model": {"kind": "suv", "strength": 1.0}}
    assert changed(data, [text], {}) == data | table
    assert data == {"model": {"kind": "suv", "strength": 1.0}}


@pytest.mark.parametrize(
    ("texts", "options", "found"),
    [
        (["model.strength"], {}, "model.strength"),
        (["=1"], {}, "=1"),
        (["model.strength=0,5"], {}, "0,5"),
        (["model.strength=__import__('os')"], {}, "__import__"),
        (["a=1\nb=2"], {}, "b=2"),
        (["model.strength=1", "model.strength=2"], {}, "model.strength"),
        (["run.seed=1"], {"seed": 2}, "run.seed"),
        (["model.kind.name=1"], {}, "model.kind.name"),
        (["model.jumps[0].rate=1"], {}, "jumps[0]"),
    ],
)
def test_what_cannot_be_set_is_refused(texts, options, found):
    with pytest.raises(ConfigError) as caught:
        changed({"model": {"kind": "suv"}}, texts, options)
    assert "--set" in str(caught.value) and found in str(caught.value)
