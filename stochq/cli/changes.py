"""`--set KEY=VALUE`: keys of a configuration given on the command line."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from stochq.cli.errors import ConfigError, report

EXPECTED = (
    "KEY=VALUE, a key of the file and a value as TOML writes it, such as model.strength=0.5 or 'title=\"Two words\"'"
)


def changed(data: dict[str, Any], given: Iterable[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a file with the values of `--set`, and those of options such as --seed.

    Args:
        data: what the file holds.
        given: texts "model.strength=0.5"; a value replaces what is there whole, tables as well.
        options: keys of [run]; None leaves one as it is.

    Raises:
        ConfigError: for a text that is no such thing, and a key that is given twice.
    """
    changes = [_parsed(text) for text in given]
    changes += [(("run", key), value) for key, value in options.items() if value is not None]
    paths = [path for path, _ in changes]
    for path in paths:
        if paths.count(path) > 1:
            raise ConfigError(report("run", "--set", "every key once, options such as --seed included", ".".join(path)))
    for path, value in changes:
        data = _with(data, path, value)
    return data


def _with(table: dict[str, Any], path: tuple[str, ...], value: Any, above: str = "") -> dict[str, Any]:
    key, *rest = path
    if not rest:
        return table | {key: value}
    below, name = table.get(key, {}), f"{above}{key}"
    if not isinstance(below, dict):
        expected = f"a key in a table; {name} is none"
        raise ConfigError(report("run", "--set", expected, ".".join([name, *rest])))
    return table | {key: _with(below, tuple(rest), value, f"{name}.")}


def _parsed(text: str) -> tuple[tuple[str, ...], Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(report("run", "--set", EXPECTED, repr(text)))
    if re.fullmatch(r"[A-Za-z][\w-]*", value.strip()) and value.strip() not in ("true", "false", "inf", "nan"):
        value = f'"{value.strip()}"'  # A shell takes quotes away; a bare word is nothing else in TOML.
    try:
        # A value with a line break could bring keys of its own.
        path, found = _path(tomllib.loads(f"{key} = 0")), tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        raise ConfigError(report("run", "--set", EXPECTED, repr(text))) from None
    if path is None or list(found) != ["value"]:
        raise ConfigError(report("run", "--set", EXPECTED, repr(text)))
    return path, found["value"]


def _path(nested: dict[str, Any]) -> tuple[str, ...] | None:
    path: tuple[str, ...] = ()
    here: Any = nested
    while isinstance(here, dict):
        if len(here) != 1:
            return None
        (key,) = here
        path, here = (*path, key), here[key]
    return path
