"""What reads files, fed with bytes: a file is read as it was written, or refused by an error that names it."""

import copy
import hashlib
import itertools
import json
import math
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import stochq as sq
from stochq import io
from stochq.cli.config import load_config
from stochq.cli.errors import ConfigError
from stochq.cli.experiment import load_experiment
from stochq.ensemble.checkpoint import Checkpoint, holds_unfinished, is_checkpoint
from stochq.ensemble.checkpoint.content import MARK, packed
from stochq.ensemble.moments import Moments

EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"
# In memory where the system has such a folder: a million files are written.
SHARED_MEMORY = Path("/dev/shm")
DIGEST_SIZE = 32
# What a file says of the moment at which it was written.
WHEN = ("history", "created_at")


class Fault(Exception):
    """What must not happen: a file that is read as another one, or an error that does not say what is wrong."""


class Reader(NamedTuple):
    """seeds: valid files, from which mutations begin; read: the outcome of a file's bytes in one word; raises Fault.

    share: of a run's inputs; longest: bytes of an input; head: how many bytes tell what file it is.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes], str]
    share: float
    longest: int
    head: int = 0


@cache
def _folder() -> tempfile.TemporaryDirectory:
    """Where inputs are written; goes with the process."""
    return tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)


def _file(content: bytes, ending: str) -> Path:
    path = Path(_folder().name) / f"input{ending}"
    path.write_bytes(content)
    return path


def _refused(error: Exception, path: Path) -> str:
    if str(path) not in str(error):
        raise Fault(f"the error does not name the file: {error}") from error
    return "refused"


def _configurations() -> list[bytes]:
    return [path.read_bytes() for path in sorted(EXAMPLES.glob("*.toml"))]


def _read_configuration(content: bytes) -> str:
    path = _file(content, ".toml")
    load = load_experiment if b"experiment" in content else load_config
    try:
        load(path)
    except ConfigError as error:
        return _refused(error, path)
    return "read"


@cache
def _result() -> sq.EnsembleResult:
    """One with little of everything: the smaller a file, the more of its bytes matter."""
    times, ramp = np.array([0.0, 1.0]), np.array([0.5, 0.25])
    return sq.EnsembleResult(
        times, {"p": ramp}, {"p": ramp / 8}, {"p": ramp / 2}, 1000, 1, 7, "Strang", 0.125, "single", {"read": "ab"},
        [(7, 0, 1000)], bias={"p": ramp / 64}, kept=np.array([[[1, 0], [0.6, 0.8j]]], np.complex64),
        histograms={"p": (np.array([0.0, 0.5, 1.0]), np.array([[3.0, 1.0], [2.0, 2.0]]))},
    )  # fmt: skip


@cache
def _results() -> list[bytes]:
    path = Path(_folder().name) / "seed.nc"
    contents = []
    for curves in (None, io.Curves({"p": np.array([0.5, 0.375])})):
        io.save(_result(), path, curves)
        contents.append(path.read_bytes())
    return contents


@cache
def _meanings() -> set[str]:
    return {_meaning(_file(content, ".seed.nc")) for content in _results()}


def _meaning(path: Path) -> str:
    """All that a file says, as a digest."""
    result, curves, record = io.load(path), io.load_curves(path), io.load_record(path)
    dataset = io.to_dataset(result, curves)
    told = [record, sorted(item for item in dataset.attrs.items() if item[0] not in WHEN)]
    for name in sorted(map(str, dataset.variables)):
        values = np.asarray(dataset[name].values)
        told.append((name, dataset[name].dims, values.dtype.kind, values.tolist(), sorted(dataset[name].attrs.items())))
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _read_result(content: bytes) -> str:
    known = _meanings()
    path = _file(content, ".nc")
    io.is_result(path)
    try:
        meaning = _meaning(path)
    except ValueError as error:
        return _refused(error, path)
    if meaning not in known:
        raise Fault("an altered file is read as another result")
    return "read"


_IDENTITY = {"seed": 1, "first": 0}


@cache
def _checkpoints() -> list[bytes]:
    moments = Moments(np.float64(4.0), np.ones((1, 2)), np.ones((1, 2)), np.zeros((1, 2)), np.ones((1, 2)))
    parts = [(1, 0, 4, 4, 0, {"mean of values": moments, "more": [np.arange(3), (1, 0.5, None, "text", True)]})]
    stage = {"problem": {"read": "ab"}, "parts": parts, "wanted": 8, "seconds": 0.5}
    heads = (
        {"finished": finished, "stages": stages} for finished, stages in ((False, [stage]), (True, [stage, stage]))
    )
    return [packed({"identity": _IDENTITY, **head}) for head in heads]


def _read_checkpoint(content: bytes) -> str:
    """Files that were altered; and those of strangers, who know how to make the checksum."""
    body = content[len(MARK) + DIGEST_SIZE :]
    resealed = MARK + hashlib.blake2b(body, digest_size=DIGEST_SIZE).digest() + body
    outcomes = [_resume(content), _resume(resealed)]
    if outcomes[0] == "read" and content not in _checkpoints() and content != resealed:
        raise Fault("an altered checkpoint is read")
    return outcomes[1]


def _resume(content: bytes) -> str:
    path = _file(content, ".checkpoint")
    if not is_checkpoint(path):
        return "refused"
    try:
        holds_unfinished(path)
        Checkpoint(path, path, _IDENTITY, 8)
    except ValueError as error:
        return _refused(error, path)
    return "read"


READERS = {
    "configuration": Reader(_configurations, _read_configuration, 0.8, 4096),
    "checkpoint": Reader(_checkpoints, _read_checkpoint, 0.15, 4096, len(MARK) + DIGEST_SIZE),
    "result": Reader(_results, _read_result, 0.05, 1 << 16),
}


def mutated(content: bytes, generator: np.random.Generator, longest: int) -> bytes:
    """A file with one to four changes: bytes replaced, removed, doubled, moved, cut off."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        start = int(generator.integers(0, len(data) + 1))
        size = int(2 ** generator.uniform(0, 6))
        match generator.integers(0, 6):
            case 0:
                data[start : start + 1] = bytes([generator.integers(0, 256)])
            case 1 if start < len(data):
                data[start] ^= 1 << generator.integers(0, 8)
            case 2:
                del data[start : start + size]
            case 3:
                data[start:start] = data[start : start + size]
            case 4:
                data[start : start + size] = generator.bytes(size)
            case _ if generator.integers(0, 4) == 0:
                del data[start:]
    return bytes(data[:longest])


# What may stand in a configuration where something else stands.
ODD: tuple[Any, ...] = (
    *(0, 1, -1, 2, 64, 10**6, 2**63, -(2**63), 10**30, 0.0, -0.0, 0.5, 1e-300, 1e300, -1e300, math.inf, math.nan),
    *(True, False, "", "x", "given", "microcanonical", 'ü\n"', "1.0"),
    *([], [0], [0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]], [[]], [{}]),
    *({}, {"kind": "levels"}, {"kind": 1}, {"beta": 1.0}, {"start": 0.0, "stop": 1.0, "points": 3}),
)


def altered_tables(content: bytes, generator: np.random.Generator) -> bytes | None:
    """A configuration in which one to three keys are given other values, removed or renamed; None for other files."""
    try:
        tables = tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return None
    for _ in range(generator.integers(1, 4)):
        table, key = _anywhere(tables, generator)
        if table is None:
            continue
        change = generator.integers(0, 8)
        if change == 0:
            del table[key]
        elif change == 1 and isinstance(table, dict):
            table[str(key)[:-1]] = table.pop(key)
        elif change == 2 and isinstance(table[key], list) and table[key]:
            table[key].append(copy.deepcopy(table[key][0]))
        else:
            table[key] = copy.deepcopy(ODD[generator.integers(0, len(ODD))])
    return _as_toml(tables)


def _anywhere(tables: dict, generator: np.random.Generator) -> tuple[Any, Any]:
    """A table or list among all that a configuration holds, and one of its keys; (None, None) where there are none."""
    places: list[tuple[Any, Any]] = []
    left: list[Any] = [tables]
    while left:
        here = left.pop()
        items = here.items() if isinstance(here, dict) else enumerate(here)
        for key, value in items:
            places.append((here, key))
            if isinstance(value, (dict, list)):
                left.append(value)
    return places[generator.integers(0, len(places))] if places else (None, None)


def _as_toml(tables: dict) -> bytes:
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in tables.items()).encode("utf-8", "replace")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # Numbers of TOML are those of Python, and its strings and truth those of JSON.
    return json.dumps(value) if isinstance(value, (str, bool)) else str(value)


def mutations(reader: Reader, seed: int) -> Iterator[bytes]:
    """Files without end, each a mutation of a valid one."""
    generator, seeds = np.random.default_rng(seed), reader.seeds()
    for number in itertools.count():
        content = seeds[number % len(seeds)]
        altered = altered_tables(content, generator) if number % 2 else None
        yield altered or mutated(content, generator, reader.longest)
