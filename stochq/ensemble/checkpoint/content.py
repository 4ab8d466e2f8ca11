"""What is in the file of a checkpoint: a mark, a digest of all that follows, a header in JSON, and arrays.

Nothing in it is ever run: what is not JSON are numbers.
"""

import hashlib
import json
import os
import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from stochq.ensemble.jumps.log import ClickRows
from stochq.ensemble.moments import Moments

MARK = b"stochq checkpoint 1\n"
_DIGEST, _LENGTH = 32, 8
# Types of arrays of numbers; NumPy reads other texts as Python.
_NUMBERS = re.compile(r"[<>|][biufc][0-9]{1,2}")
# Tuples with names that summaries may consist of, by their names.
_NAMED: dict[str, Any] = {each.__name__: each for each in (Moments, ClickRows)}


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a checkpoint does."""
    with Path(path).open("rb") as file:
        return file.read(len(MARK)) == MARK


def holds_unfinished(path: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint is of a run that did not come to its end. Raises: ValueError for a damaged one."""
    return not unpacked(Path(path).read_bytes(), path)["finished"]


def packed(header: dict[str, Any], name: str = "checkpoint") -> bytes:
    """The content of a file: a tree of dictionaries with names, lists, tuples, numbers, texts and arrays.

    Args:
        header: the tree.
        name: of what it is, for messages.

    Raises:
        ValueError: for a summary of something else.
    """
    arrays: list[bytes] = []
    try:
        text = json.dumps(_described(header, arrays)).encode()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    body = b"".join([len(text).to_bytes(_LENGTH, "little"), text, *arrays])
    return MARK + hashlib.blake2b(body, digest_size=_DIGEST).digest() + body


def unpacked(content: bytes, path: object) -> dict[str, Any]:
    """What a checkpoint holds. Raises: ValueError for a file that is damaged or no checkpoint; path: for its text."""
    value = tree_of(content, path)
    if not _is_checkpoint(value):
        raise ValueError(f"checkpoint: expected what stochq writes; {path} holds something else.")
    return value


def tree_of(content: bytes, path: object) -> Any:
    """What `packed` was given. Raises: ValueError where it is damaged; path: for its text."""
    digest, body = content[len(MARK) : len(MARK) + _DIGEST], content[len(MARK) + _DIGEST :]
    if not content.startswith(MARK) or hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise ValueError(
            f"checkpoint: expected a file as it was written; {path} is damaged: its checksum is of other content, "
            f"{len(content)} bytes are there. Restore it from a copy, or remove it and begin again."
        )
    length = int.from_bytes(body[:_LENGTH], "little")
    try:
        return _restored(json.loads(body[_LENGTH : _LENGTH + length]), memoryview(body)[_LENGTH + length :])
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(f"checkpoint: expected what stochq writes; {path} cannot be read: {error}.") from error


# What every checkpoint, and each of its stages, has at least, by name.
_FIELDS: dict[str, Any] = {"identity": dict, "finished": bool, "stages": list}
_FIELDS_OF_STAGES: dict[str, Any] = {"problem": dict, "parts": list, "wanted": int, "seconds": (int, float)}


def _is_checkpoint(value: Any) -> bool:
    return _has(value, _FIELDS) and all(_has(stage, _FIELDS_OF_STAGES) for stage in value["stages"])


def _has(value: Any, fields: dict[str, Any]) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name, kind in fields.items())


def _described(value: Any, arrays: list[bytes]) -> Any:
    """A value in JSON; arrays, whose bytes are added to a list, by what they are."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _described(item, arrays) for key, item in value.items()}}
    if isinstance(value, tuple) and type(value).__name__ in _NAMED:
        return {type(value).__name__: [_described(item, arrays) for item in value]}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_described(item, arrays) for item in value]}
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return {"number": value if isinstance(value, int) else value.hex()}
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise ValueError(
            "expected summaries of arrays of numbers, in tuples, lists or dictionaries, which a file can hold; "
            f"got {type(value).__name__}. Let the statistic's `merge` return such."
        )
    arrays.append(np.ascontiguousarray(array).tobytes())
    return {"array": [array.dtype.str, list(array.shape)]}


def _restored(description: Any, data: memoryview) -> Any:
    """The value that was described; its arrays follow each other in the data."""
    offset = 0

    def restore(value: Any) -> Any:
        nonlocal offset
        if not isinstance(value, dict):
            return value
        ((kind, inside),) = value.items()
        if kind == "dict":
            return {key: restore(item) for key, item in inside.items()}
        if kind == "number":
            return inside if isinstance(inside, int) else float.fromhex(inside)
        if kind == "array":
            if not _NUMBERS.fullmatch(inside[0]):
                raise ValueError(f"expected arrays of numbers; got {inside[0]!r}")
            dtype, shape = np.dtype(inside[0]), tuple(inside[1])
            array = np.frombuffer(data, dtype, prod(shape), offset).reshape(shape).copy()
            offset += array.nbytes
            return array
        items = [restore(item) for item in inside]
        if kind in _NAMED:
            return _NAMED[kind](*items)
        return items if kind == "list" else tuple(items)

    return restore(description)
