"""The published document, to hold answers and events against."""

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft4Validator, FormatChecker
from jsonschema.protocols import Validator

from clicktodial.api.camara.document import V0_2_RC1


@cache
def load_document() -> dict[str, Any]:
    """The newest version."""
    loaded: dict[str, Any] = yaml.safe_load(V0_2_RC1.read())
    return loaded


def create_validator(name: str) -> Validator:
    """For a schema of the document, whose dialect is that of OpenAPI 3.0: JSON Schema's draft 4,
    near enough for what is used here."""
    schema = {"$ref": f"#/components/schemas/{name}", **load_document()}
    return Draft4Validator(schema, format_checker=FormatChecker())


def validate_event(event: dict[str, Any]) -> None:
    """Raises ValidationError unless it is a CallStatusChangedEvent."""
    create_validator("CallStatusChangedEvent").validate(event)
