"""The v1 API with an application's own identifier and numbers in its examples.

All that is said of the API comes of its OpenAPI document and its table of errors; only what runs
in a terminal is made here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clicktodial.portal.application.shared import (
    READING,
    ApplicationDeskPages,
    Tab,
)
from clicktodial.portal.page import Action, Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail

# Where a program finds the platform whose operator says nothing else.
_LOCAL = "http://localhost:8080"
_EXAMPLE_APP_ID = "12345678"
_EXAMPLE_SERVER = "https://app.example"
_APPLICATIONS_MAX = 100
_V1 = "/clicktodial/v1/"

_CURL = """\
curl -X POST {url} \\
  -u {app_id}:$SECRET \\
  -d '{body}'"""
_PYTHON = """\
import base64
import json
import os
import urllib.request

APP_ID, SECRET = {app_id!r}, os.environ["SECRET"]
credential = base64.b64encode(f"{{APP_ID}}:{{SECRET}}".encode()).decode()
body = {body}
request = urllib.request.Request(
    {url!r},
    data=json.dumps(body).encode(),
    headers={{"Authorization": f"Basic {{credential}}"}},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer))"""
VERIFY = """\
import base64
import hashlib
import hmac
import time

def is_from_platform(headers, body, signing_secret):
    \"\"\"Headers by their names in small letters; the body as the bytes that came.\"\"\"
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    message, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        return False  # an old one, sent again by somebody else
    signed = f"{message}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers["webhook-signature"].split()
    return any(hmac.compare_digest(f"v1,{digest}", each) for each in given)"""


class Part(StrEnum):
    """What is read at a time."""

    OPERATIONS = "operations"
    NOTIFICATIONS = "notifications"
    ERRORS = "errors"
    LIMITS = "limits"


PARTS = {
    Part.OPERATIONS: mark("Operations"),
    Part.NOTIFICATIONS: mark("Notifications"),
    Part.ERRORS: mark("Errors"),
    Part.LIMITS: mark("Limits"),
}


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a body."""

    name: str
    is_required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API, with examples that run."""

    name: str
    summary: str
    about: str
    method: str
    path: str
    properties: Sequence[Property]
    curl: str
    python: str
    answer: str


class ReferencePages(ApplicationDeskPages):
    """GET /api and /applications/{app_id}/api"""

    async def show(self, visit: Visit) -> Answer:
        """With the application that the address names, or the first there is."""
        desk, wanted = self._needs.application_desk, visit.query.get("app", "")

        def read() -> list[ApplicationDetail]:
            return desk.list_applications(visit.principal, limit=_APPLICATIONS_MAX)

        known = await self._needs.worker.run(read)
        chosen = next((each for each in known if each.app_id == wanted), None)
        chosen = chosen or (known[0] if known else None)
        context = {
            **self._context(visit, chosen, "reference", {"app": chosen and chosen.app_id}),
            "frame": "application/open_frame.html",
            "choice": visit.form(app=chosen and chosen.app_id),
            "application_options": [(each.app_id, each.name) for each in known],
        }
        return View("application/reference.html", context)

    async def show_of_one(self, visit: Visit) -> Answer:
        """The same under the tabs of an application."""
        detail = await self.find(visit)
        path = {"app_id": detail.app_id}
        return self.view(
            visit,
            detail,
            Tab.REFERENCE,
            "reference",
            **self._context(visit, detail, Tab.REFERENCE, path),
            frame="application/frame.html",
            application_options=[],
        )

    def _context(
        self,
        visit: Visit,
        application: ApplicationDetail | None,
        page: str,
        path: Mapping[str, object],
    ) -> dict[str, Any]:
        part = _part_of(visit.query.get("part"))
        word, document = visit.words.look_up, self._needs.reference.document
        base_url = (self._needs.base_url or _LOCAL).rstrip("/")
        app_id = application.app_id if application else _EXAMPLE_APP_ID
        server = (application and application.notify_url) or _EXAMPLE_SERVER
        sponsors = application.sponsors if application else ()
        own = {"APPID": app_id} | ({"sponsor": sponsors[0].lstrip("+")} if sponsors else {})
        notification = document["webhooks"]["clicktodialstatusnotify"]["post"]
        content = notification["requestBody"]["content"]["application/json"]
        return {
            "part": part,
            "parts": [
                (visit.link(page, **path, part=each), word(words), each is part)
                for each, words in PARTS.items()
            ],
            "app_id": app_id,
            "base_url": base_url,
            "operations": list(_operations(document, base_url, own)),
            "has_number": bool(sponsors),
            "notification_about": notification["description"],
            "notification_properties": _properties(document, content["schema"]),
            "notification_examples": [
                (name, _pretty(_own(each["value"], own)))
                for name, each in content["examples"].items()
            ],
            "notification_target": f"POST {server}{_V1}clicktodialstatusnotify/{{callidentifier}}",
            "verify": VERIFY,
            "errors": self._needs.reference.errors,
            "body_bytes_max": self._needs.body_bytes_max,
            "limits": application.limits if application else None,
        }

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="reference",
                path="/api",
                title=mark("API"),
                roles=READING,
                show=self.show,
                operations=("listApplications",),
                nav=Nav(Section.CALLING, 80, "code"),
            ),
            Page(
                name=Tab.REFERENCE,
                path="/applications/{app_id}/api",
                title=mark("API"),
                roles=READING,
                show=self.show_of_one,
                operations=("showApplication",),
                parent="applications",
                example_query="part=notifications",
            ),
        ]

    def actions(self) -> list[Action]:
        """Nothing is done here."""
        return []


def _part_of(text: str | None) -> Part:
    return Part(text) if text in set(Part) else Part.OPERATIONS


def _operations(
    document: Mapping[str, Any], base_url: str, own: Mapping[str, str]
) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        if not path.startswith(_V1):
            continue
        operation = item["post"]
        content = operation["requestBody"]["content"]["application/json"]
        body = _own(next(iter(content["examples"].values()))["value"], own)
        call_id = next((each["example"] for each in item.get("parameters", [])), "")
        url = base_url + path.replace("{callidentifier}", call_id)
        answer = operation["responses"]["200"]["content"]["application/json"]["examples"]
        yield Operation(
            name=operation["operationId"],
            summary=operation["summary"],
            about=operation["description"],
            method="POST",
            path=path,
            properties=_properties(document, content["schema"]),
            curl=_CURL.format(url=url, app_id=own["APPID"], body=json.dumps(body)),
            python=_PYTHON.format(url=url, app_id=own["APPID"], body=_python(body)),
            answer=_pretty(next(iter(answer.values()))["value"]),
        )


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Property]:
    found: Any = schema
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    required = found.get("required", ())
    return [
        Property(name, name in required, _about(each))
        for name, each in found.get("properties", {}).items()
    ]


def _about(schema: Mapping[str, Any]) -> str:
    """What a property means, whichever of its alternatives says so; else its values."""
    parts = [schema, *schema.get("anyOf", [])]
    described = (str(part["description"]) for part in parts if "description" in part)
    return next(described, ", ".join(str(value) for value in schema.get("enum", ())))


def _own(body: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    """The example with what is the application's own in it."""
    return {name: own.get(name, value) for name, value in body.items()}


def _python(body: Mapping[str, Any]) -> str:
    lines = [f"    {name!r}: {value!r}," for name, value in body.items()]
    return "\n".join(["{", *lines, "}"]).replace("'", '"')


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2)
