"""The command keeps compiled programs in the user's cache folder; the library changes no setting of JAX."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stochq.cli import cache
from tests.cli.test_run import QUBIT, write

SETTINGS = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", cache.SWITCH, "XDG_CACHE_HOME")
REPORT = (
    "import sys, jax, stochq.cli as c; from jax._src import monitoring as m; hits = []\n"
    "m.register_event_listener(lambda name, **_: hits.append(name))\n"
    "try: c.main()\n"
    "except SystemExit as done: print(done.code, jax.config.jax_compilation_cache_dir,\n"
    "                                hits.count('/jax/compilation_cache/cache_hits'))"
)


def command(*arguments, **settings):
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings
    words = [sys.executable, "-c", REPORT, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    code, folder, hits = done.stdout.splitlines()[-1].rsplit(" ", 2)
    assert code in ("0", "None"), done.stdout
    return folder, int(hits)


@pytest.mark.release
def test_a_second_run_compiles_nothing_anew(tmp_path):
    words = ("run", write(tmp_path, QUBIT.replace("keep = 3\n", "")), "--out", tmp_path / "r.nc")
    folder, hits = command(*words, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert Path(folder).is_relative_to(tmp_path / "cache" / "stochq") and hits == 0
    kept = sorted(path.name for path in Path(folder).iterdir() if path.name.endswith("-cache"))
    assert kept
    again, hits = command(*words, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert again == folder and hits >= len(kept)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({cache.SWITCH: "0"}, "None"),
        pytest.param({"JAX_COMPILATION_CACHE_DIR": "mine"}, "mine", marks=pytest.mark.release),
        pytest.param({"HOME": "/dev/null"}, "None", marks=pytest.mark.release),
    ],
)
def test_settings_of_the_user_come_first(tmp_path, settings, expected):
    own = {} if "HOME" in settings else {"XDG_CACHE_HOME": str(tmp_path)}
    assert command("--help", **own, **settings)[0] == expected
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("system", "settings", "expected"),
    [
        ("linux", {}, "/home/me/.cache"),
        ("darwin", {}, "/home/me/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local"),
        ("win32", {}, "/home/me/AppData/Local"),
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere"),
    ],
)
def test_the_folder_is_the_systems(monkeypatch, system, settings, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache.user_cache_folder() == Path(expected)
