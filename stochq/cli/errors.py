"""What is wrong with a configuration, said so that it can be mended: file, key, expected, found."""

import difflib
import logging
import os
import signal
import sys
import types
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from pydantic import BaseModel, ValidationError

from stochq.cli import INTERRUPTED
from stochq.cli.words import TABLES, in_toml
from stochq.events import note

Sections = list[type[BaseModel]]
TABLE_TYPES = ("model_type", "model_attributes_type", "dict_type")
PREFIXES = ("Input should be ", "Value error, ")


class ConfigError(Exception):
    """A configuration that cannot be run; its text names the file, the key, what was expected and what was found."""


def report(place: str, key: str, expected: str, found: str) -> str:
    """One complaint, three lines."""
    where = f"{place}: {key}" if key else place
    return f"{where}\n  expected: {expected}\n  found:    {found}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def show(value: object) -> str:
    """A value as it is written in TOML, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {show(item)}" for key, item in value.items()) + " }"
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def located(place: str, tables: Mapping[str, BaseModel], note: str = "") -> Iterator[None]:
    """Turn what the library refuses into an error that names the file and the key.

    Args:
        place: the file.
        tables: by their names, the tables whose keys the refused argument may be. The first that has a key of its name
            is told; without one the first table, and the argument as the library names it, unless that is a table.
        note: what is added to a message with numbers.

    Raises:
        ConfigError: for a ValueError.
    """
    try:
        yield
    except ValueError as error:
        argument, _, told = in_toml(str(error)).partition(": ")
        owners = [table for table, section in tables.items() if argument in type(section).model_fields]
        if owners:
            key = f"{owners[0]}.{argument}"
        elif argument in TABLES:
            key = TABLES[argument]
        else:
            key, told = next(iter(tables)), in_toml(str(error))
        raise ConfigError(f"{place}: {key}: {told}{note if any(map(str.isdigit, told)) else ''}") from error


@contextmanager
def noted(note: str) -> Iterator[None]:
    """Add a note to warnings with numbers in them."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def with_note(message: Warning | str, *others: Any, **named: Any) -> None:
            text = str(message)
            show(f"{text}{note}" if any(map(str.isdigit, text)) else text, *others, **named)

        warnings.showwarning = with_note
        yield


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors of input into a message on stderr and exit code 2, a run that failed into one and exit code 1, an
    interruption into exit code 130.

    STOCHQ_TRACEBACK=1 lets them through.
    """
    if getattr(signal.getsignal(signal.SIGINT), "__name__", "") == "leave":
        # Set by stochq_command; from here on there is something to be ended in order.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _shown_once()
            yield
    except KeyboardInterrupt as error:
        print("stochq: interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from error
    except MemoryError as error:
        print(f"stochq: not enough memory: {error}. Ask for fewer levels, points or times.", file=sys.stderr)
        raise typer.Exit(2) from error
    except (ConfigError, ValueError, OSError, RuntimeError) as error:
        if isinstance(error, typer.Exit) or os.environ.get("STOCHQ_TRACEBACK"):
            raise
        print(f"stochq: {_told(error)}", file=sys.stderr)
        raise typer.Exit(1 if isinstance(error, RuntimeError) else 2) from error


def _told(error: Exception) -> str:
    """What an error says, of files in a sentence."""
    if not isinstance(error, OSError) or error.strerror is None:
        return in_toml(str(error)) if isinstance(error, RuntimeError) else str(error)
    if error.filename is None:
        return error.strerror
    return f"{error.filename}: expected a place that can be read and written to; {error.strerror}. Give another name."


def _shown_once() -> Callable[..., None]:
    """What shows warnings, each text once: an ensemble and its exact solution may say the same."""
    told = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        text = str(message)
        if text in told:
            return
        told.add(text)
        # The message alone: the line of code that warned tells a user of the command nothing.
        print(f"stochq: warning: {in_toml(text)}", file=sys.stderr)
        note(text, "warning", logging.WARNING)

    return show


def explain(error: ValidationError, place: str, data: dict[str, Any], root: type[BaseModel]) -> str:
    """Every complaint of pydantic in the terms of the file: `data` is what it held, `root` what it should hold."""
    complaints = [_explain_one(dict(item), place, data, root) for item in error.errors(include_url=False)]
    return "\n".join(complaints)


def _explain_one(item: dict[str, Any], place: str, data: dict[str, Any], root: type[BaseModel]) -> str:
    path, owners, members = _follow(item["loc"], data, root, item["type"] == "missing")
    kind, key = item["type"], _dotted(path)
    if kind == "extra_forbidden":
        known = list(dict.fromkeys(name for owner in owners for name in owner.model_fields))
        expected = "one of the keys " + ", ".join(known) + nearest(str(path[-1]), known)
        return report(place, key, expected, f"the unknown key {path[-1]!r}")
    if kind == "missing":
        fields = [owner.model_fields[str(path[-1])] for owner in owners if str(path[-1]) in owner.model_fields]
        described = "".join(f": {field.description}" for field in fields[:1] if field.description)
        return report(place, key, f"this key{described}", "nothing")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tags, tag = [_tag(member) for member in members], item.get("ctx", {}).get("tag")
        expected = "one of " + ", ".join(show(name) for name in tags) + nearest(str(tag), tags)
        return report(place, f"{key}.kind", expected, "nothing" if tag is None else show(tag))
    message = "Input should be a table" if kind in TABLE_TYPES else _counted(item) or item["msg"]
    for prefix in PREFIXES:
        message = message.removeprefix(prefix)
    return report(place, key, message, show(item["input"]))


def _counted(item: dict[str, Any]) -> str:
    """Of a list or a table of the wrong length: how many there should be; nothing of other complaints."""
    limits = {"too_short": ("least", "min_length"), "too_long": ("most", "max_length")}
    if item["type"] not in limits:
        return ""
    word, key = limits[item["type"]]
    count = item["ctx"][key]
    return f"at {word} {count} {'entry' if count == 1 else 'entries'}, not {item['ctx']['actual_length']}"


def _follow(
    location: tuple[Any, ...], data: Any, root: type[BaseModel], missing: bool
) -> tuple[tuple[Any, ...], Sections, Sections]:
    """The key path in the file, the sections its last key may belong to, and those that may stand under it.

    Pydantic's location also names the members of unions, which are no keys of the file: they choose among sections.
    """
    path: list[Any] = []
    owners: Sections = []
    members: Sections = [root]
    here: Any = data
    for step in location:
        chosen = [member for member in members if _tag(member) == step]
        # Between several sections the name of one chooses it, even where a key has the same name.
        if chosen and len(members) > 1 or not _is_key(step, here, missing and step is location[-1]):
            members = chosen or members
            continue
        path.append(step)
        owners = members
        # The name of a table in a table of such is no key of theirs.
        if isinstance(step, str) and any(step in owner.model_fields for owner in owners):
            members = [member for owner in owners for member in _members(owner, step)]
        here = here.get(step) if isinstance(here, dict) else here[step]
    return tuple(path), owners, members


def _is_key(step: object, here: object, missing: bool) -> bool:
    if isinstance(here, dict):
        return step in here or missing
    return isinstance(here, list) and isinstance(step, int)


def _tag(section: type[BaseModel]) -> Any:
    field = section.model_fields.get("kind")
    return typing.get_args(field.annotation)[0] if field is not None and typing.get_args(field.annotation) else None


def _members(section: type[BaseModel], key: str) -> Sections:
    field = section.model_fields.get(key)
    return [] if field is None else list(_flatten(field.annotation))


def _flatten(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
    for part in typing.get_args(annotation):
        yield from _flatten(part)


def _dotted(path: Iterable[object]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
