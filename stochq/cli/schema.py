"""The configuration as a JSON schema, for editors and other programs: what is taken, and what each key means."""

import inspect
import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stochq.cli.config import Config
from stochq.cli.experiment import ExcludeConfig
from stochq.cli.fields import Dimension

KINDS = ("run", "exclude", "fit")
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of the files that a command reads.

    Args:
        kind: one of `KINDS`.
    """
    root: type[BaseModel] = ExcludeConfig if kind == "exclude" else Config
    made = root.model_json_schema(schema_generator=_Described)
    if kind == "fit":
        # What `stochq fit` wants besides.
        made["required"] = [*made["required"], "fit"]
        del made["properties"]["units"]
        # No filter follows a controller that answers late.
        feedback = made["$defs"]["Monitored"]["properties"]["feedback"]
        feedback["oneOf"] = [{"$ref": feedback["discriminator"]["mapping"]["markovian"]}]
        del feedback["discriminator"], made["$defs"]["Proportional"]
        made["$defs"]["Fitted"]["properties"]["parameters"]["propertyNames"] = {"pattern": r"^(model|system)\..+"}
    return {"$schema": DRAFT, "title": f"stochq {kind}"} | made


def schema_text(kind: str) -> str:
    """The same as a file of JSON."""
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"


class _Described(GenerateJsonSchema):
    """Without titles, which repeat the keys, and without null, which TOML has not; units stand in the descriptions."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default") is None or isinstance(made["default"], dict):
            made.pop("default", None)
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made, section = super().model_schema(schema), schema["cls"]
        made.pop("title", None)
        lines = inspect.cleandoc(section.__doc__ or "")
        for name, key in made.get("properties", {}).items():
            if name == "kind" and "description" not in key:
                key["description"] = lines.partition("\n")[0]
            field = section.model_fields[name]
            if unit := next((item.unit for item in field.metadata if isinstance(item, Dimension)), ""):
                key["description"] = f"{key.get('description', '')}; in {unit} with [units]"
        return made
