"""The document of the API, served for programs at /openapi.json and for people at /docs.

The page is rendered from the same document, once, when it is first asked for. It holds everything
itself: no script, no font, no request to anybody, which its Content-Security-Policy holds it to.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from clicktodial.api.openapi import Json
from clicktodial.api.v1.schema import create_error_table

_EXAMPLE_CREDENTIAL = "12345678:Secretkey"


def create_document_handlers(document: Json) -> list[HTTPRouteHandler]:
    """The routes of the document and of its page."""
    encoded = msgspec.json.encode(document)
    render = cache(lambda: render_page(document))

    @get("/openapi.json")
    async def openapi() -> Response[bytes]:
        return Response(encoded, media_type="application/json")

    @get("/docs")
    async def docs() -> Response[bytes]:
        return respond_with_page(*render())

    return [openapi, docs]


def respond_with_page(page: bytes, policy: str) -> Response[bytes]:
    """The page, and headers that keep a browser to it."""
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(page, media_type="text/html", headers=headers)


def render_page(
    document: Json, *, template: str = "page.html", errors: Sequence[Any] | None = None
) -> tuple[bytes, str]:
    """The page and the Content-Security-Policy that it keeps."""
    environment = Environment(
        loader=PackageLoader("clicktodial.api", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = _pretty
    environment.filters["schema_name"] = _schema_name
    environment.filters["about"] = _about
    style = environment.get_template("page.css").render()
    page = environment.get_template(template).render(
        document=document,
        style=style,
        errors=create_error_table() if errors is None else errors,
        credential=_EXAMPLE_CREDENTIAL,
        operations=_list_operations(document),
        schemas=document["components"]["schemas"],
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.encode(), policy


def _list_operations(document: Json) -> list[Json]:
    """The operations in the order of a call's life, then the rest."""
    paths, webhooks = document["paths"], document.get("webhooks", {})
    listed = [
        {
            "path": path,
            "method": method.upper(),
            "is_webhook": path in webhooks,
            "parameters": item.get("parameters", []),
            **item[method],
        }
        for path, item in [*paths.items(), *webhooks.items()]
        for method in ("get", "post", "put", "patch", "delete")
        if method in item
    ]
    tags = [tag["name"] for tag in document["tags"]]
    return sorted(listed, key=lambda operation: tags.index(operation["tags"][0]))


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _about(schema: Json) -> str:
    """What a property means, whichever of its alternatives says so."""
    parts = [schema, *schema.get("anyOf", [])]
    return next((str(part["description"]) for part in parts if "description" in part), "")


def _schema_name(schema: Json) -> str:
    """What a property holds, in a few words."""
    if "enum" in schema:
        return ", ".join(msgspec.json.encode(value).decode() for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_schema_name(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "items" in schema:
        return f"list of {_schema_name(schema['items'])}"
    return str(schema["type"])
