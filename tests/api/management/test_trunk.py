"""Trunks over the management API."""

from typing import Any

import pytest
from tests.api.management.support import Management

from clicktodial.control.port import TrunkState
from clicktodial.domain.trunk import Trunk, TrunkCredentials
from clicktodial.storage.trunk_row import HEADERS_MAX, PREFIXES_MAX

FULL: dict[str, Any] = {
    "name": "main",
    "host": "sip.example.com",
    "port": 5080,
    "transport": "tls",
    "priority": 7,
    "weight": 3,
    "domain": "example.com",
    "answer_timeout_s": 6,
    "prefixes": ["+86", "+852"],
    "number_format": "national",
    "region": "HK",
    "headers": [{"name": "X-Account", "value": "7"}],
    "calls_per_second_max": 20,
    "channels_max": 300,
    "username": "us",
    "password": "pass word",
    "tls": {"ca_file": "/etc/ca.pem"},
    "registers": True,
    "registration_expires_s": 300,
    "options_interval_s": 15,
    "session_expires_s": 900,
    "charging_vector": True,
    "signs_calls": False,
    "privacy": ["id", "critical"],
    "srtp": "required",
    "codecs": ["G722", "PCMA"],
    "cost_per_minute_micros": 12_500,
}
DEFAULTS = Trunk("x", "192.0.2.1", 0)


async def test_trunk_is_added_and_read_with_all_but_its_password(management: Management) -> None:
    created = await management.ask("POST", "/trunks", FULL)
    assert created.status == 201
    assert created.headers["location"] == "/management/v1/trunks/main"
    shown = await management.ask("GET", "/trunks/main")
    assert shown.json == created.json
    expected = {name: value for name, value in FULL.items() if name != "password"}
    expected["tls"] = {
        "server_name": None,
        "ca_file": "/etc/ca.pem",
        "certificate_file": None,
        "key_file": None,
    }
    assert {name: shown.json[name] for name in expected} == expected
    assert shown.json["enabled"] is True
    assert b"pass word" not in created.body + shown.body


async def test_trunk_of_the_least_has_the_defaults(management: Management) -> None:
    answer = await management.ask("POST", "/trunks", {"name": "x", "host": "192.0.2.1"})
    trunk = answer.json
    for name in ("port", "transport", "priority", "weight", "domain", "registers", "srtp"):
        assert trunk[name] == getattr(DEFAULTS, name)
    assert (trunk["privacy"], trunk["username"]) == (["id"], None)


async def test_trunk_tells_how_it_fares(management: Management) -> None:
    await management.ask("POST", "/trunks", FULL)
    management.monitor.states["main"] = TrunkState(
        channels=12, is_down=True, is_resting=True, is_registered=False
    )
    [listed] = (await management.ask("GET", "/trunks")).json["trunks"]
    assert listed["live"] == {
        "channels": 12,
        "is_down": True,
        "is_resting": True,
        "is_registered": False,
    }


async def test_trunks_are_listed_as_they_are_tried(management: Management) -> None:
    for name, priority in (("c", 10), ("b", 20), ("a", 20)):
        body = {"name": name, "host": "192.0.2.1", "priority": priority}
        await management.ask("POST", "/trunks", body)
    listed = (await management.ask("GET", "/trunks")).json["trunks"]
    assert [trunk["name"] for trunk in listed] == ["c", "a", "b"]


async def test_only_what_is_given_of_a_trunk_changes(management: Management) -> None:
    before = (await management.ask("POST", "/trunks", FULL)).json
    changes = {"weight": 9, "prefixes": [], "domain": None, "tls": {"ca_file": None}}
    answer = await management.ask("PATCH", "/trunks/main", changes)
    tls = before["tls"] | {"ca_file": None}
    assert answer.json == before | {"weight": 9, "prefixes": [], "domain": None, "tls": tls}
    unchanged = await management.ask("PATCH", "/trunks/main", {})
    assert unchanged.json == answer.json


async def test_credentials_are_kept_changed_and_taken_away(management: Management) -> None:
    await management.ask("POST", "/trunks", FULL)
    kept = []

    def look(trunk: Trunk) -> Trunk:
        kept.append(trunk.credentials)
        return trunk

    await management.ask("PATCH", "/trunks/main", {"username": "them"})
    await management.ask("PATCH", "/trunks/main", {"password": "another"})
    management.administration.change_trunk("main", look)
    assert kept == [TrunkCredentials("them", "")]
    answer = await management.ask("PATCH", "/trunks/main", {"username": None, "registers": False})
    assert answer.json["username"] is None
    refused = await management.ask("PATCH", "/trunks/main", {"password": "lonely"})
    assert (refused.status, refused.json["pointer"]) == (400, "/password")


async def test_trunk_is_disabled_enabled_and_removed(management: Management) -> None:
    await management.ask("POST", "/trunks", FULL)
    for verb, enabled in (("disable", False), ("enable", True)):
        answer = await management.ask("POST", f"/trunks/main/{verb}")
        assert (answer.status, answer.json["enabled"]) == (200, enabled)
    assert (await management.ask("DELETE", "/trunks/main")).status == 204
    assert (await management.ask("GET", "/trunks")).json == {"trunks": []}


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")],
)
async def test_trunk_that_is_not_there_is_told(
    management: Management, method: str, suffix: str
) -> None:
    body: dict[str, Any] | None = {} if method == "PATCH" else None
    answer = await management.ask(method, f"/trunks/none{suffix}", body)
    assert (answer.status, answer.json["code"]) == (404, "not-found")


async def test_name_that_is_taken_is_refused(management: Management) -> None:
    await management.ask("POST", "/trunks", FULL)
    answer = await management.ask("POST", "/trunks", FULL | {"weight": 1})
    assert (answer.status, answer.json["code"]) == (409, "already-exists")
    assert (await management.ask("GET", "/trunks/main")).json["weight"] == 3


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"name": "bad name"}, "invalid-value", None),
    ({"name": ""}, "invalid-value", "/name"),
    ({"host": "bad host"}, "invalid-value", None),
    ({"port": 65_536}, "invalid-value", "/port"),
    ({"port": None}, "invalid-value", "/port"),
    ({"transport": "pigeon"}, "invalid-value", "/transport"),
    ({"answer_timeout_s": 0}, "invalid-value", "/answer_timeout_s"),
    ({"prefixes": ["86"]}, "invalid-value", None),
    ({"prefixes": ["+86"] * (PREFIXES_MAX + 1)}, "invalid-value", "/prefixes"),
    ({"headers": [{"name": "Via", "value": "x"}]}, "invalid-value", None),
    ({"headers": [{"name": "X", "value": "a\r\nVia: b"}]}, "invalid-value", None),
    ({"headers": [{"name": "X"}]}, "missing-property", "/headers/0/value"),
    ({"headers": [{"name": "X", "value": "y"}] * (HEADERS_MAX + 1)}, "invalid-value", "/headers"),
    ({"tls": {"key_file": "/k.pem"}}, "invalid-value", None),
    ({"tls": {"verify": False}}, "unknown-property", "/tls/verify"),
    ({"username": None}, "invalid-value", "/password"),
    ({"password": ""}, "invalid-value", "/password"),
    ({"session_expires_s": 89}, "invalid-value", None),
    ({"privacy": ["user"]}, "invalid-value", None),
    ({"enabled": True}, "unknown-property", "/enabled"),
    ({"srtp": "maybe"}, "invalid-value", "/srtp"),
    ({"codecs": ["MP3"]}, "invalid-value", None),
    ({"codecs": ["PCMA", "PCMA"]}, "invalid-value", None),
    ({"codecs": ["PCMA"] * 9}, "invalid-value", "/codecs"),
    ({"cost_per_minute_micros": -1}, "invalid-value", "/cost_per_minute_micros"),
]


@pytest.mark.parametrize(("changes", "code", "pointer"), REFUSED)
async def test_trunk_that_makes_no_sense_is_not_added(
    management: Management, changes: dict[str, Any], code: str, pointer: str | None
) -> None:
    answer = await management.ask("POST", "/trunks", FULL | changes)
    assert (answer.status, answer.json["code"]) == (400, code), answer.json
    assert answer.json.get("pointer") == pointer
    assert (await management.ask("GET", "/trunks")).json == {"trunks": []}


async def test_change_that_makes_no_sense_changes_nothing(management: Management) -> None:
    before = (await management.ask("POST", "/trunks", FULL)).json
    changes: dict[str, Any]
    for changes in ({"name": "other"}, {"weight": 10, "region": "Nowhere"}, {"host": None}):
        answer = await management.ask("PATCH", "/trunks/main", changes)
        assert answer.status == 400
    assert (await management.ask("GET", "/trunks/main")).json == before
