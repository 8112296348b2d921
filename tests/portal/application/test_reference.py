"""The API's documentation: its examples are the application's own, and do what they say."""

import html
import re
from typing import Any

from tests.portal.client import Client
from tests.portal.world import ACME, World

from clicktodial.domain.principal import Role
from clicktodial.notify.signature import signature_headers
from clicktodial.portal.application.reference import VERIFY


def test_examples_name_the_application_and_its_number(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.DEVELOPER])
    app_id = world.ids[ACME]["app_id"]
    text = html.unescape(client.get(f"/applications/{app_id}/api").text)
    assert f"-u {app_id}:$SECRET" in text
    assert f'"APPID": "{app_id}", "sponsor": "861052680000"' in text
    scripts = re.findall(r'<pre id="\w+-python"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert len(scripts) == 3
    for script in scripts:
        compile(script, "example", "exec")


def test_every_error_of_the_api_is_in_the_catalogue(origin: str, world: World) -> None:
    text = Client(origin, world.tokens[Role.DEVELOPER]).get("/api?part=errors").text
    for code in ("0001001", "0001006", "0001009", "1001006", "0000002"):
        assert code in text


def test_function_of_the_page_tells_our_signatures_from_others() -> None:
    names: dict[str, Any] = {}
    exec(VERIFY, names)
    check, key, body = names["is_from_platform"], b"k" * 32, b'{"status":"Connected"}'
    now = int(names["time"].time())
    secret = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    headers = dict(signature_headers("call-1", now, body, key))
    assert check(headers, body, secret)
    assert not check(headers, body + b" ", secret)
    assert not check(dict(signature_headers("call-1", now, body, b"x" * 32)), body, secret)
    assert not check(dict(signature_headers("call-1", now - 999, body, key)), body, secret)
