"""Checks configurations by a JSON schema: `stochq schema run | python tests/cli/validate.py FILE.toml ...`.

A file whose first line names the schema of another command is checked by that one. Exit code 1 if one is refused.
"""

import json
import sys
import tomllib
from pathlib import Path

import jsonschema

LINE = "#:schema "


def validator(schema):
    """What tells whether a schema takes something; the schema itself is checked first."""
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def complaints(data, schema):
    """What a schema says against a configuration, each with its key."""
    found = validator(schema).iter_errors(data)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def schema_for(path, text, given):
    """The schema on stdin, or another one that the file names in its first line."""
    first = text.partition("\n")[0]
    if not first.startswith(LINE):
        return given
    named = json.loads((path.parent / first.removeprefix(LINE).strip()).read_text(encoding="utf-8"))
    return given if named["title"] == given["title"] else named


def main(paths):
    given, refused = json.load(sys.stdin), False
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        schema = schema_for(path, text, given)
        found = complaints(tomllib.loads(text), schema)
        print(f"{path}: {'; '.join(found) or 'accepted'} ({schema['title']})")
        refused = refused or bool(found)
    return int(refused)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
