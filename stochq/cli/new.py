"""`stochq new KIND`: a configuration to start from, with a word on every key, from the schema."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.schema import schema_of

_CHAIN = {"kind": "ising", "sites": 4, "coupling": 1.0, "transverse": 0.9, "longitudinal": 0.5}
_PARTICLE = {"kind": "particle", "points": 64, "length": 20.0, "potential": {"kind": "harmonic", "frequency": 1.0}}
_OSCILLATOR = {"kind": "oscillator", "cutoff": 24}
_QUBIT = {"kind": "levels", "energies": [0.0, 1.0]}
_PACKET = {"kind": "gaussian", "width": 0.7, "position": 1.5}
_COHERENT = {"kind": "coherent", "alpha": 1.0}
_BOTH = {"kind": "superposition", "amplitudes": [0.8, 0.6]}
_DOWN = {"kind": "product", "theta": 2.6}
_LOWER = [[0, 1], [0, 0]]
# Where it happens, which equation, what it starts from, what is watched.
STARTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = {
    "suv": (_QUBIT, {"strength": 1.0}, _BOTH, ["population_0"]),
    "oqt": (_CHAIN, {"strength": 0.5, "equilibrium": "microcanonical"}, _DOWN, ["energy", "magnetization"]),
    "sui": (
        _CHAIN,
        {"reduction": 0.5, "thermalization": 0.5, "equilibrium": {"beta": 0.5}},
        _DOWN,
        ["energy", "magnetization"],
    ),
    "coloured_suv": (
        _QUBIT,
        {"drift": 1.0, "coupling": 1.0, "colour": {"kind": "ornstein_uhlenbeck", "correlation_time": 0.25}},
        _BOTH,
        ["population_0"],
    ),
    "csl": (_PARTICLE, {"rate": 0.5, "length": 1.0}, _PACKET, ["position", "energy"]),
    "csl_lattice": (
        _CHAIN,
        {"rate": 0.5, "length": 1.0, "positions": [0.0, 1.0, 2.0, 3.0]},
        _DOWN,
        ["energy", "magnetization"],
    ),
    "qmupl": (_PARTICLE, {"rate": 0.1}, _PACKET, ["position", "energy"]),
    "diosi_penrose": (_PARTICLE, {"gravity": 0.5, "length": 1.0}, _PACKET, ["position", "energy"]),
    "energy_driven": (_QUBIT, {"strength": 0.5}, _BOTH, ["population_0", "sigma_x"]),
    "brownian": (_OSCILLATOR, {"friction": 0.3, "beta": 2.0}, _COHERENT, ["position", "number"]),
    "unravel": (_QUBIT, {"jumps": [{"rate": 0.5, "matrix": _LOWER}]}, _BOTH, ["population_1", "sigma_x"]),
    "monitored": (
        _QUBIT,
        {"detectors": {"current": {"kind": "homodyne", "rate": 0.5, "matrix": _LOWER, "efficiency": 0.8}}},
        _BOTH,
        ["population_1", "sigma_x"],
    ),
}
EXPERIMENT = {
    "kind": "force-noise",
    "body": {"kind": "sphere", "mass": 1e-12, "radius": 5e-6},
    "force_noise": 1e-20,
    "frequency": 100.0,
}
FITTED = {"parameters": {"model.strength": {"start": 0.5, "bounds": [0.0, 5.0]}}}
KINDS = (*STARTS, "exclude", "fit")


def write_new(kind: str, path: Path | None) -> Path:
    """Write a configuration to start from. Returns: where.

    Args:
        kind: of the model, "exclude" or "fit".
        path: a file that is not there yet; default: KIND.toml.

    Raises:
        ConfigError: for another kind, and where there is a file of that name.
    """
    if kind not in KINDS:
        expected = f"a kind of model, one of {', '.join(KINDS)}{nearest(kind, KINDS)}"
        told = f"{kind!r}. For systems of every kind, and feedback, `stochq examples` copies files"
        raise ConfigError(report("new", "KIND", expected, told))
    target = Path(f"{kind}.toml") if path is None else path
    if target.exists():
        raise ConfigError(report("new", "FILE.toml", "a name that nothing has yet", str(target)))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text_of(kind), encoding="utf-8")
    return target


def tables_of(kind: str) -> dict[str, Any]:
    """What a new file holds."""
    if kind == "exclude":
        return {"title": "An experiment of my own", "experiment": EXPERIMENT}
    system, model, state, observables = STARTS["suv" if kind == "fit" else kind]
    model = {"kind": "suv" if kind == "fit" else kind} | model
    run = {"times": {"stop": 5.0, "points": 51}, "trajectories": 1000, "observables": observables, "seed": 1}
    tables = {"title": "A run of my own", "system": system, "model": model, "state": state, "run": run}
    return tables | ({"fit": FITTED} if kind == "fit" else {})


def text_of(kind: str) -> str:
    """A new file: what must be there, with what it means, and behind # what may."""
    command = kind if kind in ("exclude", "fit") else "run"
    schema, tables = schema_of(command), tables_of(kind)
    data = " DATA.csv" if command == "fit" else ""
    lines = [
        f"# stochq {command} FILE.toml{data}",
        f"# Editors complete and check this file after `stochq schema {command} > {command}.json`, by a first line",
        f"# that reads #:schema {command}.json; keys behind # may be left out and have the values that are shown.",
        f"title = {toml(tables['title'])}",
    ]
    for name, value in tables.items():
        if isinstance(value, dict):
            lines += ["", f"# {schema['properties'][name]['description']}", f"[{name}]"]
            lines += _keys(value, _section(schema["properties"][name], value, schema))
    further = {name: key for name, key in schema["properties"].items() if name not in tables}
    lines += ["", "# Further tables:", *(f"#   {name}: {key['description']}" for name, key in further.items())]
    return "\n".join(lines) + "\n"


def _keys(given: Mapping[str, Any], section: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table: keys that are given, then those that may be, all with what they mean."""
    known = section["properties"]
    for name in [*given, *(name for name in known if name not in given)]:
        text, default = known[name]["description"], known[name].get("default")
        if name in given:
            yield f"{name} = {toml(given[name])} # {text}"
        else:
            yield f"# {name} = {'...' if default is None else toml(default)} # {text}"


def _section(key: Any, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section of a schema that a table is: where there are several, the one of its kind."""
    if "$ref" in key:
        return schema["$defs"][key["$ref"].rpartition("/")[2]]
    return _section({"$ref": key["discriminator"]["mapping"][value["kind"]]}, value, schema)


def toml(value: Any) -> str:
    """A value as TOML writes it, tables in one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(name)} = {toml(item)}" for name, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)
