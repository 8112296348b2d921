"""Pages of docs/reference/ that are made of the code: errors, limits, operations, events.

`python -m tests.documentation.reference` (`make reference`) writes them; a test fails where one is
not what would be written. Never edit them by hand.
"""

import ast
import importlib
import json
import re
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.documentation.advice import ADVICE
from tests.documentation.block import DOCS, ROOT
from tests.harness.address import format_address
from tests.harness.platform import READY_TIMEOUT_S, Platform

from clicktodial.api.camara.error import REFUSALS as CAMARA_REFUSALS
from clicktodial.api.events.openapi import create_document as create_events_document
from clicktodial.api.management.problem import PROBLEMS
from clicktodial.api.oauth.openapi import FORM_MEDIA_TYPE
from clicktodial.api.oauth.openapi import create_document as create_oauth_document
from clicktodial.api.v1.error import REFUSALS as V1_REFUSALS
from clicktodial.config import HttpSettings

SOURCE = ROOT / "src" / "clicktodial"
FOLDER = DOCS / "reference"
_MADE = "<!-- Made by `make reference` of the code. Changes here are lost. -->\n"
# What bounds nothing of the product: simulated phones, and the bench.
_NOT_PRODUCT = {"sandbox", "bench"}
_LIMIT = re.compile(r"_?[A-Z][A-Z0-9_]*_MAX(_[A-Z]+)*")
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*\b.*=")
_PARTS = {
    "accounts": "People, enterprises, numbers, support",
    "api": "HTTP interfaces",
    "audio": "Audio",
    "billing": "Minutes and money",
    "cli": "The command line",
    "composition": "Composition",
    "control": "Control of calls",
    "domain": "Rules",
    "media": "The media relay",
    "messaging": "Messages and mail",
    "notify": "Notifications",
    "observe": "Logs, metrics, traces",
    "portal": "The web console",
    "recordings": "Recordings",
    "sip": "SIP",
    "storage": "Storage",
    "web": "The web server",
}
_UNITS = {
    "BYTES": "bytes",
    "CHARACTERS": "characters",
    "S": "seconds",
    "MS": "milliseconds",
    "DAYS": "days",
    "SAMPLES": "samples",
    "PACKETS": "packets",
    "LINES": "lines",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A constant that bounds something; `reason` is the comment above it, or above its group."""

    name: str
    value: object
    module: str
    reason: str

    @property
    def unit(self) -> str:
        words = self.name.lower().upper().split("_")
        return next((_UNITS[word] for word in reversed(words) if word in _UNITS), "")


def read_limits() -> list[Limit]:
    """Every constant of the product whose name says that it is a maximum."""
    found: list[Limit] = []
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE)
        if relative.parts[0] not in _NOT_PRODUCT:
            found += _limits_of(path)
    return found


def _limits_of(path: Path) -> Iterator[Limit]:
    source = path.read_text(encoding="utf-8")
    if "_MAX" not in source:
        return
    lines = source.splitlines()
    relative = path.relative_to(SOURCE.parent).with_suffix("")
    module = ".".join(relative.parts).removesuffix(".__init__")
    for node in ast.parse(source).body:
        name = _assigned(node)
        if name is not None and _LIMIT.fullmatch(name):
            value = getattr(importlib.import_module(module), name)
            yield Limit(name, value, module, _reason(lines, node.lineno - 2))


def _assigned(node: ast.stmt) -> str | None:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return None


def _reason(lines: list[str], above: int) -> str:
    """The comment that ends at that line; constants in between belong to the same group."""
    while above >= 0 and _CONSTANT.match(lines[above]):
        above -= 1
    comment: list[str] = []
    while above >= 0 and lines[above].startswith("# "):
        comment.insert(0, lines[above][2:])
        above -= 1
    return " ".join(comment)


def render_limits() -> str:
    """docs/reference/limits.md"""
    lines = [
        "# Limits",
        "",
        _MADE,
        "What bounds the platform, beside its [settings](../settings.md): each constant of the "
        "sources whose name ends in `_MAX`, with the reason that stands above it there. They are "
        "not to be changed by an operator. What happens at a limit is told on the page of the "
        "thing that is limited.",
    ]
    limits = read_limits()
    for part in sorted({limit.module.split(".")[1] for limit in limits}):
        title = _PARTS.get(part, "Everything")
        lines += ["", f"## {title}", "", "| Limit | Value | Why | Where |", "|---|---|---|---|"]
        lines += [_limit_row(limit) for limit in limits if limit.module.split(".")[1] == part]
    return "\n".join(lines) + "\n"


def _limit_row(limit: Limit) -> str:
    value = f"{limit.value:,}" if isinstance(limit.value, int | float) else str(limit.value)
    cells = [
        f"`{limit.name.lstrip('_')}`",
        f"{value} {limit.unit}".strip(),
        limit.reason,
        f"`{limit.module.removeprefix('clicktodial.')}`",
    ]
    return _row(cells)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# Errors


def render_errors() -> str:
    """docs/reference/errors.md"""
    lines = [
        "# Errors",
        "",
        _MADE,
        "Every answer that refuses something, of each interface, with its cause and what to do. "
        "How an answer looks, and which of several faults is told, stands with the interface: "
        "[v1](../api-v1.md#errors), [CAMARA](../camara.md#errors), "
        "[management](../management-api.md#errors), [tokens](../oauth.md#endpoints). The event "
        "history refuses as the management API does.",
        "",
        "A request that was answered with 429 or 503 may be sent again after `Retry-After`; with "
        "an [idempotency key](../idempotency.md) a begin may be sent again after any answer, or "
        "none. Others are refused again unless something changes.",
        "",
        "## v1",
        "",
        "| Status | Code | Description | Cause | What to do |",
        "|---|---|---|---|---|",
    ]
    for refusal in V1_REFUSALS:
        advice = ADVICE[refusal.code]
        cells = [str(refusal.status), f"`{refusal.code}`", refusal.description, refusal.about]
        lines.append(_row([*cells, advice]))
    lines += ["", "## CAMARA", "", "| Status | Code | Cause | What to do |", "|---|---|---|---|"]
    for common in CAMARA_REFUSALS:
        cells = [str(common.status), f"`{common.code}`", common.about, ADVICE[common.code]]
        lines.append(_row(cells))
    lines += [
        *("", "## Management and event history", ""),
        *("| Status | Code | Meaning | Cause | What to do |", "|---|---|---|---|---|"),
    ]
    for problem in PROBLEMS:
        cells = [str(problem.status), f"`{problem.code}`", problem.title, problem.about]
        lines.append(_row([*cells, ADVICE[problem.code]]))
    return "\n".join(lines) + "\n"


# Operations


def render_operations(document: dict[str, Any]) -> str:
    """docs/reference/management-operations.md"""
    lines = [
        "# Operations of the management API",
        "",
        _MADE,
        "Each operation, as the OpenAPI document of a server has it "
        "(`/management/v1/openapi.json`), which also tells every property of bodies and answers. "
        "What they are for stands in [the management API](../management-api.md).",
    ]
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                tag = operation.get("tags", ["Other"])[0]
                by_tag.setdefault(tag, []).append(_operation_row(method, path, operation, document))
    for tag, rows in by_tag.items():
        heading = "| Operation | What | Body | Success | Who |"
        lines += ["", f"## {tag}", "", heading, "|---|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _operation_row(
    method: str, path: str, operation: dict[str, Any], document: dict[str, Any]
) -> str:
    done = [status for status in operation["responses"] if status.startswith("2")]
    cells = [
        f"`{method.upper()} {path}`",
        operation.get("summary", ""),
        _body(operation.get("requestBody"), document),
        ", ".join(done),
        ", ".join(f"`{role}`" for role in operation.get("x-roles", [])) or "anybody",
    ]
    return _row(cells)


def render_further() -> str:
    """docs/reference/event-and-token-operations.md"""
    lines = [
        "# Operations of events and tokens",
        "",
        _MADE,
        "Each operation, as the OpenAPI documents of a server have it, which also tell every "
        "property of answers. What they are for stands in [the event history](../events.md) and "
        "in [access tokens](../oauth.md).",
    ]
    documents = (
        (
            "/events/v1/openapi.json",
            create_events_document(
                body_bytes_max=HttpSettings().body_bytes_max, token_url="", version=""
            ),
        ),
        ("/oauth/openapi.json", create_oauth_document(takes_secrets=True, version="")),
    )
    for url, document in documents:
        heading = "| Operation | What | Parameters, body | Refused with | Scope |"
        lines += ["", f"## {document['info']['title']}", "", f"`{url}`", ""]
        lines += [heading, "|---|---|---|---|---|"]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                lines.append(_further_row(method, path, operation, document))
    return "\n".join(lines) + "\n"


def _further_row(
    method: str, path: str, operation: dict[str, Any], document: dict[str, Any]
) -> str:
    names = [f"`{each['name']}`" for each in operation.get("parameters", [])]
    body = _body(operation.get("requestBody"), document)
    scopes = [scope for each in operation["security"] for scope in each.get("accessToken", [])]
    cells = [
        f"`{method.upper()} {path}`",
        operation["summary"],
        ", ".join([*names, *([body] if body else [])]),
        ", ".join(status for status in operation["responses"] if not status.startswith("2")),
        ", ".join(f"`{scope}`" for scope in scopes),
    ]
    return _row(cells)


def _body(body: dict[str, Any] | None, document: dict[str, Any]) -> str:
    """The properties of a JSON body, required ones in bold; of others the media types."""
    if body is None:
        return ""
    content = body["content"].get("application/json") or body["content"].get(FORM_MEDIA_TYPE)
    if content is None:
        return ", ".join(body["content"])
    schema = content["schema"]
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    required = schema.get("required", [])
    names = schema.get("properties", {})
    return ", ".join(f"**`{name}`**" if name in required else f"`{name}`" for name in names)


ERRORS = FOLDER / "errors.md"
LIMITS = FOLDER / "limits.md"
FURTHER = FOLDER / "event-and-token-operations.md"
OPERATIONS = FOLDER / "management-operations.md"


def main() -> None:
    """Write all pages. The document of the operations is a running server's."""
    FOLDER.mkdir(exist_ok=True)
    ERRORS.write_text(render_errors(), encoding="utf-8")
    LIMITS.write_text(render_limits(), encoding="utf-8")
    FURTHER.write_text(render_further(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        platform = Platform(Path(directory))
        try:
            platform.start()
            document = read_document(platform)
        finally:
            platform.close()
    OPERATIONS.write_text(render_operations(document), encoding="utf-8")


def read_document(platform: Platform) -> dict[str, Any]:
    """The OpenAPI document of the management API, as the server gives it."""
    url = f"http://{format_address(platform.http)}/management/v1/openapi.json"
    with urllib.request.urlopen(url, timeout=READY_TIMEOUT_S) as answer:
        document: dict[str, Any] = json.loads(answer.read())
    return document


if __name__ == "__main__":
    main()
