"""Writes what is made from the configuration's own classes: docs/schema/*.json and docs/configuration.md.

`python docs/site/configuration.py` after a key has changed; a test tells when it was forgotten.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stochq.cli.fields import COMPLEX_SCHEMA, MATRIX_SCHEMA
from stochq.cli.new import toml
from stochq.cli.schema import KINDS, schema_of, schema_text

DOCS = Path(__file__).resolve().parents[1]
INTRODUCTION = """# Configuration files

Every key of the files that `stochq run`, `stochq fit` and `stochq exclude` read, made from the JSON schemas that
`stochq schema run`, `fit` and `exclude` print. `stochq new KIND` writes a file to start from. An editor that knows the
schema of a file completes its keys and underlines what is wrong: keep `stochq schema run > run.json` beside the file,
whose first line is `#:schema run.json`, as in the examples. What a schema cannot say, whether an observable is known or
a grid is fine enough, `stochq run` checks before it begins. Keys in bold must be there. "In J with [units]" is said of
numbers that are in SI units where the file has that table, and in one system of units, with ħ = 1, where it has none.
"""


def files() -> dict[Path, str]:
    """The text of every file."""
    schemas = {DOCS / "schema" / f"{kind}.json": schema_text(kind) for kind in KINDS}
    return schemas | {DOCS / "configuration.md": page()}


def page() -> str:
    """The reference of all keys."""
    parts = [INTRODUCTION]
    for kind, title in (("run", "Files of `stochq run` and `stochq fit`"), ("exclude", "Files of `stochq exclude`")):
        parts += [f"## {title}\n", *_file(schema_of(kind))]
    return "\n".join(parts)


def _file(schema: dict[str, Any]) -> Iterator[str]:
    yield from _table(schema)
    seen: set[str] = set()
    for key in schema["properties"].values():
        for name in _referred(key, schema, seen):
            section = schema["$defs"][name]
            yield f"### {_heading(name, section)}\n\n{section['description']}\n"
            yield from _table(section, schema)


def _referred(part: Any, schema: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """The names of the sections that a part of a schema leads to, each once, those within behind those without."""
    if isinstance(part, dict):
        name = part.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            yield name
            yield from _referred(schema["$defs"][name], schema, seen)
        for item in part.values():
            yield from _referred(item, schema, seen)
    for item in part if isinstance(part, list) else []:
        yield from _referred(item, schema, seen)


def _heading(name: str, section: dict[str, Any]) -> str:
    kind = section["properties"].get("kind", {}).get("const")
    return f'kind = "{kind}"' if kind else name


def _slug(heading: str) -> str:
    return heading.lower().replace(" = ", "-").replace('"', "")


def _table(section: dict[str, Any], schema: dict[str, Any] | None = None) -> Iterator[str]:
    keys = {name: key for name, key in section["properties"].items() if name != "kind" or "const" not in key}
    if not keys:
        return
    yield "| key | value | default | |\n|---|---|---|---|"
    for name, key in keys.items():
        shown = f"**`{name}`**" if name in section.get("required", []) else f"`{name}`"
        default = f"`{toml(key['default'])}`" if "default" in key else ""
        # Brackets of TOML are no links.
        cells = (shown, _value(key, schema or section), default, key["description"].replace("[", "\\["))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _value(key: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if key == MATRIX_SCHEMA or MATRIX_SCHEMA.items() <= key.items():
        return "matrix"
    if COMPLEX_SCHEMA.items() <= key.items():
        return "number or [real, imaginary]"
    if "$ref" in key:
        name = key["$ref"].rpartition("/")[2]
        heading = _heading(name, schema["$defs"][name])
        return f"[{heading.removeprefix('kind = ') if 'kind' in heading else 'table'}](#{_slug(heading)})"
    for several in ("oneOf", "anyOf"):
        if several in key:
            return ", ".join(dict.fromkeys(_value(each, schema) for each in key[several]))
    if "enum" in key or "const" in key:
        return ", ".join(f"`{toml(value)}`" for value in key.get("enum", [key.get("const")]))
    if key["type"] == "array" and "prefixItems" in key:
        return f"list of {len(key['prefixItems'])} numbers"
    if key["type"] == "array":
        return f"list of: {_value(key['items'], schema)}"
    if key["type"] == "object":
        return f"by name: {_value(key['additionalProperties'], schema)}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    limits = [f"{sign} {toml(key[name])}" for name, sign in bounds.items() if name in key]
    words = {"string": "text", "boolean": "`true`, `false`"}.get(key["type"], key["type"])
    return f"{words} {', '.join(limits)}".strip()


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
