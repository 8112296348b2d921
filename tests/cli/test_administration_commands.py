"""Applications, enterprises, trunks and settings on the command line."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from tests.cli.conftest import Command

import clicktodial
from clicktodial.cli.option import Address, parse_address, parse_target
from clicktodial.media import audio_import

APP_ID = "12345678"


def create(command: Command, *options: str) -> Any:
    return command.run_json("app", "create", "--app-id", APP_ID, *options)


# Applications


DEFAULT_OPTIONS = {
    "shown_to_caller": None,
    "shown_to_callee": None,
    "hides_number": False,
    "caller_ring_timeout_s": None,
    "callee_ring_timeout_s": None,
    "max_duration_s": None,
    "warning_before_end_s": 0,
    "warning_to": ["caller"],
    "ringback": "tone-or-network",
    "announcement": None,
    "announcement_to": ["callee", "caller"],
    "ringback_audio": None,
    "warning_audio": None,
    "presence": "none",
    "presence_audio": None,
    "presence_timeout_s": 15,
    "hold_audio": None,
}


NO_OWN_LIMITS = {
    "live_calls_max": None,
    "calls_per_second_max": None,
    "requests_per_second_max": None,
}


def test_app_create_with_all_options_answers_what_was_made(command: Command) -> None:
    answer = create(
        command, "--secret", "S", "--sponsor", "01052680000", "--sponsor", "13912345673",
        "--notify-url", "http://127.0.0.1:9000/", "--allow-private-addresses",
        "--max-duration", "600", "--name", "Shop",
    )  # fmt: skip
    signing_secret = answer.pop("signing_secret")
    assert signing_secret.startswith("whsec_")
    assert len(base64.b64decode(signing_secret.removeprefix("whsec_"))) == 32
    assert answer.pop("created_at").endswith("Z")
    assert answer == {
        "app_id": APP_ID,
        "name": "Shop",
        "enterprise_id": "default",
        "status": "active",
        "sponsors": ["+861052680000", "+8613912345673"],
        "notify_url": "http://127.0.0.1:9000",
        "allow_private_addresses": True,
        "pool_alerts": False,
        "max_duration_s": 600,
        "options": DEFAULT_OPTIONS,
        "capabilities": ["click-to-dial", "messages", "recording"],
        "allow_list": [],
        "limits": NO_OWN_LIMITS,
        "old_secret_until": None,
        "secret": "S",
    }


def test_app_create_without_options_makes_identifier_and_secret(command: Command) -> None:
    answer = command.run_json("app", "create")
    assert answer["app_id"].isdecimal()
    assert len(answer["secret"]) >= 32


def test_app_create_for_people_shows_the_secrets_once(command: Command) -> None:
    text = command.run("app", "create", "--app-id", APP_ID, "--secret", "only-now")
    assert "only-now" in text
    assert "whsec_" in text
    shown = command.run("app", "show", APP_ID) + command.run("app", "list")
    assert "only-now" not in shown
    assert "whsec_" not in shown


def test_app_create_twice_is_refused_in_one_sentence(command: Command) -> None:
    create(command)
    told = command.run("app", "create", "--app-id", APP_ID, code=1)
    assert told == "Error: there is an application 12345678 already\n"
    answer = command.run_json("app", "create", "--app-id", APP_ID, code=1)
    assert answer["error"]["kind"] == "AlreadyExists"
    assert APP_ID in answer["error"]["message"]


@pytest.mark.parametrize(
    "options",
    [
        ("--sponsor", "not a number"),
        ("--notify-url", "ftp://example.org"),
        ("--notify-url", "http://user:pw@example.org"),
        ("--secret", ""),
        ("--secret", "has space"),
        ("--max-duration", "0"),
        ("--enterprise", "nobody"),
        ("--app-id", "a:b"),
        ("--name", "\x1b[2J"),
    ],
)
def test_app_create_with_a_bad_value_is_refused_and_creates_nothing(
    command: Command, options: tuple[str, str]
) -> None:
    command.run("app", "create", *options, code=1)
    assert command.run_json("app", "list") == []


def test_app_disable_and_enable_change_its_status(command: Command) -> None:
    create(command)
    command.run("app", "disable", APP_ID)
    assert command.run_json("app", "show", APP_ID)["status"] == "disabled"
    command.run("app", "enable", APP_ID)
    assert command.run_json("app", "show", APP_ID)["status"] == "active"


def test_app_rotate_secret_answers_a_new_one(command: Command) -> None:
    first = create(command)["secret"]
    second = command.run_json("app", "rotate-secret", APP_ID)["secret"]
    assert second not in (first, None)
    answer = command.run_json("app", "rotate-secret", APP_ID, "--secret", "mine")
    assert answer == {"app_id": APP_ID, "secret": "mine", "old_secret_until": None}


def test_app_rotate_signing_secret_answers_a_new_one(command: Command) -> None:
    first = create(command)["signing_secret"]
    answer = command.run_json("app", "rotate-signing-secret", APP_ID)
    assert answer["signing_secret"].startswith("whsec_")
    assert answer["signing_secret"] != first


def test_app_numbers_are_added_and_removed_in_e164(command: Command) -> None:
    create(command)
    answer = command.run_json("app", "add-number", APP_ID, "01052680000")
    assert answer == {"app_id": APP_ID, "number": "+861052680000"}
    assert command.run_json("app", "show", APP_ID)["sponsors"] == ["+861052680000"]
    command.run("app", "remove-number", APP_ID, "+861052680000")
    assert command.run_json("app", "show", APP_ID)["sponsors"] == []


def test_app_set_pool_alerts_turns_them_on_and_off(command: Command) -> None:
    create(command)
    assert command.run_json("app", "set-pool-alerts", APP_ID)["pool_alerts"] is True
    assert command.run_json("app", "set-pool-alerts", APP_ID, "--off")["pool_alerts"] is False


def test_app_set_notify_url_changes_and_clears_it(command: Command) -> None:
    create(command)
    answer = command.run_json("app", "set-notify-url", APP_ID, "https://example.org/hooks")
    assert answer["notify_url"] == "https://example.org/hooks"
    assert command.run_json("app", "set-notify-url", APP_ID)["notify_url"] is None


def test_app_set_max_duration_changes_and_clears_it(command: Command) -> None:
    create(command)
    assert command.run_json("app", "set-max-duration", APP_ID, "60")["max_duration_s"] == 60
    assert command.run_json("app", "set-max-duration", APP_ID)["max_duration_s"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("app", "show", "nobody"),
        ("app", "disable", "nobody"),
        ("app", "rotate-secret", "nobody"),
        ("app", "add-number", "nobody", "01052680000"),
        ("app", "set-notify-url", "nobody"),
        ("enterprise", "suspend", "nobody", "--reason", "unpaid"),
        ("trunk", "remove", "nobody"),
        ("trunk", "disable", "nobody"),
        ("calls", "show", "nobody"),
        ("events", "replay", "nobody"),
        ("recording", "fetch", "nobody", "-o", "x.wav"),
    ],
)
def test_command_on_what_is_not_there_is_refused(
    command: Command, arguments: tuple[str, ...]
) -> None:
    told = command.run(*arguments, code=1)
    assert told.startswith("Error: ")
    assert "nobody" in told
    assert len(told.splitlines()) == 1
    assert command.run_json(*arguments, code=1)["error"]["kind"] == "NotFound"


# Enterprises


def test_enterprise_goes_through_its_states(command: Command) -> None:
    command.run("enterprise", "create", "acme", "--name", "Acme Ltd")
    create(command, "--enterprise", "acme")
    for verb, status in (("suspend", "suspended"), ("resume", "active"), ("cancel", "cancelled")):
        command.run("enterprise", verb, "acme", "--reason", "because")
        assert command.run_json("enterprise", "list") == [
            {
                "enterprise_id": "acme",
                "name": "Acme Ltd",
                "status": status,
                "limits": NO_LIMITS,
            }
        ]


NO_LIMITS = dict.fromkeys(
    ("live_calls_max", "calls_per_second_max", "max_duration_s", "ring_timeout_s_max")
)


def test_limits_of_an_enterprise_are_set_shown_and_taken_away(command: Command) -> None:
    command.run("enterprise", "create", "acme")
    assert command.run_json("enterprise", "show", "acme")["limits"] == NO_LIMITS
    first = command.run_json(
        "enterprise", "set-limits", "acme", "--live-calls", "10", "--calls-per-second", "2",
        "--max-duration", "600", "--ring-timeout", "30",
    )  # fmt: skip
    limits = {
        "live_calls_max": 10,
        "calls_per_second_max": 2,
        "max_duration_s": 600,
        "ring_timeout_s_max": 30,
    }
    assert first["limits"] == limits
    second = command.run_json("enterprise", "set-limits", "acme", "--live-calls", "0")
    assert second["limits"] == limits | {"live_calls_max": None}
    text = command.run("enterprise", "show", "acme")
    assert "Calls a second       2" in text
    assert "Calls at a time      -" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "none"), "there is no enterprise none"),
        (("set-limits", "none", "--live-calls", "1"), "there is no enterprise none"),
        (("set-limits", "acme", "--live-calls", "-1"), "between"),
        (("set-limits", "acme", "--calls-per-second", "10001"), "between"),
        (("set-limits", "acme", "--max-duration", "86401"), "between"),
        (("set-limits", "acme", "--ring-timeout", "86401"), "between"),
    ],
)
def test_limits_that_make_no_sense_change_nothing(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    command.run("enterprise", "create", "acme")
    assert words in command.run("enterprise", *arguments, code=1)
    assert command.run_json("enterprise", "show", "acme")["limits"] == NO_LIMITS


# Trunks


ALL_OF_A_TRUNK = (
    "--priority", "5", "--domain", "example.org", "--answer-timeout", "7", "--weight", "3",
    "--prefix", "+86", "--prefix", "+852", "--number-format", "national", "--region", "HK",
    "--header", "X-Account: 7", "--max-rate", "20", "--max-channels", "300", "--username", "us",
    "--transport", "TLS", "--tls-name", "sbc.example.org", "--tls-ca", "/etc/ca.pem",
    "--tls-certificate", "/etc/us.pem", "--tls-key", "/etc/us.key",
    "--register", "--register-expires", "300", "--options-interval", "15",
    "--session-expires", "600", "--charging-vector", "--no-sign", "--privacy", "user; ID",
    "--srtp", "Required", "--codec", "opus", "--codec", "PCMA", "--cost-per-minute", "0.0125",
)  # fmt: skip
TRUNK = {
    "name": "main",
    "host": "sip.example.org",
    "port": 5070,
    "transport": "tls",
    "priority": 5,
    "domain": "example.org",
    "answer_timeout_s": 7,
    "weight": 3,
    "prefixes": ["+86", "+852"],
    "number_format": "national",
    "region": "HK",
    "headers": ["X-Account: 7"],
    "calls_per_second_max": 20,
    "channels_max": 300,
    "username": "us",
    "tls": {
        "server_name": "sbc.example.org",
        "ca_file": "/etc/ca.pem",
        "certificate_file": "/etc/us.pem",
        "key_file": "/etc/us.key",
    },
    "registers": True,
    "registration_expires_s": 300,
    "options_interval_s": 15,
    "session_expires_s": 600,
    "charging_vector": True,
    "signs_calls": False,
    "privacy": "user;id",
    "srtp": "required",
    "codecs": ["OPUS", "PCMA"],
    "cost_per_minute_micros": 12_500,
    "enabled": True,
}


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("only-here\n")
    return str(path)


def test_trunk_add_with_all_options_is_listed_as_given(
    command: Command, password_file: str
) -> None:
    answer = command.run_json(
        "trunk", "add", "main", "--target", "sip.example.org:5070", *ALL_OF_A_TRUNK,
        "--password-file", password_file,
    )  # fmt: skip
    assert answer == TRUNK
    assert command.run_json("trunk", "list") == [TRUNK]
    assert command.run_json("trunk", "show", "main") == TRUNK
    shown = command.run("trunk", "show", "main")
    assert "only-here" not in shown
    assert "0.0125" in shown


def test_trunk_set_changes_what_is_given_and_nothing_else(
    command: Command, password_file: str
) -> None:
    command.run(
        "trunk", "add", "main", "--target", "sip.example.org:5070", *ALL_OF_A_TRUNK,
        "--password-file", password_file,
    )  # fmt: skip
    command.run("trunk", "disable", "main")
    command.run("trunk", "set", "main", "--target", "192.0.2.7", "--max-channels", "0")
    changed = TRUNK | {"host": "192.0.2.7", "port": None, "channels_max": 0, "enabled": False}
    assert command.run_json("trunk", "show", "main") == changed
    command.run("trunk", "set", "main", "--prefix", "", "--header", "", "--domain", "")
    command.run("trunk", "set", "main", "--transport", "auto")
    command.run("trunk", "set", "main", "--tls-certificate", "", "--tls-key", "", "--tls-name", "")
    changed |= {
        "transport": "auto",
        "tls": {
            "server_name": None, "ca_file": "/etc/ca.pem",
            "certificate_file": None, "key_file": None,
        },
    }  # fmt: skip
    command.run("trunk", "set", "main", "--username", "", "--no-register", "--sign")
    changed |= {"prefixes": [], "headers": [], "domain": None, "username": None}
    changed |= {"registers": False, "signs_calls": True}
    command.run("trunk", "set", "main", "--codec", "", "--srtp", "never", "--cost-per-minute", "0")
    changed |= {"codecs": [], "srtp": "never", "cost_per_minute_micros": 0}
    assert command.run_json("trunk", "show", "main") == changed


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--prefix", "86"), 1, "prefix"),
        (("--header", "Via: x"), 1, "Via"),
        (("--header", "none"), 1, "NAME: VALUE"),
        (("--region", "XX"), 1, "region"),
        (("--number-format", "roman"), 2, "none of"),
        (("--transport", "sctp"), 2, "none of"),
        (("--tls-ca", "relative.pem"), 1, "absolute"),
        (("--tls-key", "/etc/us.key"), 1, "together"),
        (("--username", "us"), 1, "password"),
        (("--password-file", "/does/not/exist"), 2, "cannot be"),
        (("--weight", "-1"), 1, "weight"),
        (("--register",), 1, "user name"),
        (("--register-expires", "5"), 1, "registration"),
        (("--options-interval", "-1"), 1, "OPTIONS"),
        (("--privacy", "id;secret"), 1, "privacy"),
        (("--privacy", "id;id"), 1, "privacy"),
        (("--srtp", "maybe"), 2, "none of"),
        (("--codec", "G729"), 1, "codec"),
        (("--codec", "PCMA", "--codec", "pcma"), 1, "codec"),
        (("--cost-per-minute", "-0.01"), 1, "cost"),
        (("--cost-per-minute", "101"), 1, "cost"),
        (("--cost-per-minute", "1e30"), 2, "amount"),
        (("--cost-per-minute", "0.0000001"), 2, "amount"),
        (("--cost-per-minute", "free"), 2, "amount"),
        (("--cost-per-minute", "NaN"), 2, "amount"),
        (("--cost-per-minute", "Infinity"), 2, "amount"),
        (("--privacy", "user"), 1, "id"),
        (("--header", "Identity: x"), 1, "Identity"),
    ],
)
def test_trunk_that_makes_no_sense_is_refused_in_words(
    command: Command, options: tuple[str, ...], code: int, told: str
) -> None:
    text = command.run("trunk", "add", "main", "--target", "192.0.2.1", *options, code=code)
    assert told in text
    assert command.run("trunk", "list") == "There are no trunks.\n"


def write_tone(path: Path) -> str:
    soundfile.write(path, 0.5 * np.sin(np.arange(16_000) * 0.2), 16_000)
    return str(path)


def test_audio_is_added_listed_and_removed(command: Command, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.wav")
    added = command.run_json("audio", "add", "notice", tone)
    assert added == {"name": "notice", "duration_s": 1.0}
    assert command.run_json("audio", "list") == [added]
    assert "1.0" in command.run("audio", "list")
    assert command.run_json("audio", "remove", "notice") == {"name": "notice", "removed": True}
    assert command.run("audio", "list") == "There is no audio.\n"
    assert "no audio" in command.run("audio", "remove", "notice", code=1)
    assert "read" in command.run("audio", "add", "notice", str(tmp_path / "nothing.wav"), code=1)


def test_audio_is_read_within_the_bounds_of_an_upload(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_import, "IMPORT_TIMEOUT_S", 0.01)
    tone = write_tone(tmp_path / "tone.wav")
    assert "within 0.01 seconds" in command.run("audio", "add", "notice", tone, code=1)
    assert command.run("audio", "list") == "There is no audio.\n"


def test_option_of_an_audio_that_is_not_there_is_refused(command: Command) -> None:
    create(command)
    for option in (
        "--announcement", "--ringback-audio", "--warning-audio", "--presence-audio",
        "--hold-audio",
    ):  # fmt: skip
        text = command.run("app", "set-options", APP_ID, option, "nothing", code=1)
        assert "there is no audio nothing" in text


def test_app_set_options_changes_what_is_given_and_takes_away_what_is_empty(
    command: Command, tmp_path: Path
) -> None:
    create(command, "--sponsor", "01052680000", "--sponsor", "01052680001")
    tone = write_tone(tmp_path / "tone.wav")
    for name in ("notice", "music", "voice"):
        command.run("audio", "add", name, tone)
    answer = command.run_json(
        "app", "set-options", APP_ID, "--shown-to-callee", "01052680001", "--hide-number",
        "--caller-ring-timeout", "20", "--callee-ring-timeout", "30", "--max-duration", "600",
        "--warn-before-end", "15", "--warn", "both", "--ringback", "network",
        "--announcement", "notice", "--announce", "callee", "--ringback-audio", "music",
        "--warning-audio", "voice", "--presence", "key-and-detection",
        "--presence-audio", "voice", "--presence-timeout", "20", "--hold-audio", "music",
    )  # fmt: skip
    options = {
        "shown_to_caller": None,
        "shown_to_callee": "+861052680001",
        "hides_number": True,
        "caller_ring_timeout_s": 20,
        "callee_ring_timeout_s": 30,
        "max_duration_s": 600,
        "warning_before_end_s": 15,
        "warning_to": ["callee", "caller"],
        "ringback": "network",
        "announcement": "notice",
        "announcement_to": ["callee"],
        "ringback_audio": "music",
        "warning_audio": "voice",
        "presence": "key-and-detection",
        "presence_audio": "voice",
        "presence_timeout_s": 20,
        "hold_audio": "music",
    }
    assert answer == {"app_id": APP_ID, "options": options}
    assert command.run_json("app", "show", APP_ID)["options"] == options
    command.run(
        "app", "set-options", APP_ID, "--shown-to-callee", "", "--show-number",
        "--caller-ring-timeout", "0", "--callee-ring-timeout", "0", "--max-duration", "0",
        "--warn-before-end", "0", "--warn", "caller", "--ringback", "tone-or-network",
        "--announcement", "", "--announce", "both", "--ringback-audio", "", "--warning-audio", "",
        "--presence", "none", "--presence-audio", "", "--presence-timeout", "15",
        "--hold-audio", "",
    )  # fmt: skip
    assert command.run_json("app", "show", APP_ID)["options"] == DEFAULT_OPTIONS


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--shown-to-caller", "13912345673"), 1),  # a number that is not the application's
        (("--max-duration", "-1"), 1),
        (("--warn", "nobody"), 2),
        (("--ringback", "music"), 2),
        (("--presence", "guess"), 2),
        (("--presence-timeout", "0"), 1),
        (("--presence-timeout", "121"), 1),
    ],
)
def test_app_options_that_make_no_sense_change_nothing(
    command: Command, options: tuple[str, ...], code: int
) -> None:
    create(command, "--sponsor", "01052680000")
    command.run("app", "set-options", APP_ID, *options, code=code)
    assert command.run_json("app", "show", APP_ID)["options"] == DEFAULT_OPTIONS


def test_trunks_are_listed_in_the_order_of_trying(command: Command) -> None:
    for name, priority in (("c", "100"), ("b", "100"), ("a", "200"), ("z", "1")):
        command.run("trunk", "add", name, "--target", "192.0.2.1", "--priority", priority)
    assert [trunk["name"] for trunk in command.run_json("trunk", "list")] == ["z", "b", "c", "a"]
    assert "192.0.2.1 " in command.run("trunk", "list")


def test_trunk_is_disabled_enabled_and_removed(command: Command) -> None:
    command.run("trunk", "add", "main", "--target", "[2001:db8::1]:5060")
    command.run("trunk", "disable", "main")
    assert command.run_json("trunk", "list")[0]["enabled"] is False
    command.run("trunk", "enable", "main")
    assert command.run_json("trunk", "list")[0]["enabled"] is True
    command.run("trunk", "remove", "main")
    assert command.run("trunk", "list") == "There are no trunks.\n"


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "host:port"),
        ("--target", "host:0"),
        ("--target", "host:65536"),
        ("--target", ""),
        ("--target", "192.0.2.1:5060", "--transport", "carrier-pigeon"),
        ("--target", "192.0.2.1:5060", "--priority", "high"),
        (),
    ],
)
def test_trunk_add_used_wrongly_exits_with_2(command: Command, options: tuple[str, ...]) -> None:
    command.run("trunk", "add", "main", *options, code=2)


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:5060", Address("::1", 5060)),
        ("sip.example.org:65535", Address("sip.example.org", 65535)),
    ],
)
def test_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "host", "host:", ":5060", "::1:5060", "[::1]", "host:-1", "host:65536",
        "host:5 060", "ho st:1", "host:\u0661", "[host]:1", "a@b:1", "sip:a:1", "host:1\n",
    ],
)  # fmt: skip
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", Address("192.0.2.1", 0)),
        ("[::1]", Address("::1", 0)),
        ("192.0.2.1:5070", Address("192.0.2.1", 5070)),
    ],
)
def test_target_without_a_port_leaves_it_to_dns(text: str, address: Address) -> None:
    assert parse_target(text) == address


# Settings, database and start


def test_config_show_tells_what_holds_and_hides_secrets(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKTODIAL_SECURITY__MASTER_KEY", "c2VjcmV0")
    monkeypatch.setenv("CLICKTODIAL_DATABASE__URL", "postgresql://me:p4ss@db.example/c2d")
    monkeypatch.setenv("CLICKTODIAL_HTTP__PORT", "8443")
    text = command.run("config", "show")
    assert "port = 8443" in text
    assert "# key_file is not set" in text
    tables = command.run_json("config", "show")
    assert tables["security"]["master_key"] == "[hidden]"
    assert tables["database"]["url"] == "postgresql://me:[hidden]@db.example/c2d"
    assert "c2VjcmV0" not in text
    assert "p4ss" not in text + json.dumps(tables)


def test_config_from_the_environment_is_used(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[http]\nport = 1234\n", encoding="utf-8")
    monkeypatch.setenv("CLICKTODIAL_CONFIG", str(other))
    done = run_program("config", "show", "--json")
    assert json.loads(done.stdout)["http"]["port"] == 1234


@pytest.mark.parametrize("arguments", [("app", "list"), ("serve",), ("config", "show")])
def test_bad_settings_are_told_by_name(command: Command, arguments: tuple[str, ...]) -> None:
    command.config_path.write_text("[http]\nport = 65536\n", encoding="utf-8")
    assert "http.port" in command.run(*arguments, code=1)
    assert command.run_json(*arguments, code=1)["error"]["kind"] == "ConfigError"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLICKTODIAL_DATABASE__URL", "nonsense"),
        ("CLICKTODIAL_DATABASE__URL", "mysql://localhost/x"),
        ("CLICKTODIAL_DATABASE__URL", "sqlite:///:memory:"),
        ("CLICKTODIAL_SECURITY__MASTER_KEY", "tooshort"),
        ("CLICKTODIAL_STORAGE__DATA_DIR", "/proc/none"),
    ],
)
def test_unusable_storage_is_told_in_one_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    told = command.run("app", "list", code=1)
    assert told.startswith("Error: ")
    assert len(told.splitlines()) == 1


def test_file_that_is_no_database_is_told_in_one_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "text.db"
    path.write_text("This is no database. " * 100)
    monkeypatch.setenv("CLICKTODIAL_DATABASE__URL", f"sqlite:///{path}")
    assert command.run("trunk", "list", code=1).startswith("Error: the database cannot be used")


def test_version_is_told(command: Command) -> None:
    assert command.run("version") == f"clicktodial {clicktodial.__version__}\n"
    assert command.run_json("version") == {"version": clicktodial.__version__}


@pytest.mark.parametrize(
    "arguments", [("sandbox", "app", "--http"), ("sandbox", "carrier", "--sip")]
)
def test_sandbox_on_an_address_of_another_machine_is_refused(
    command: Command, arguments: tuple[str, ...]
) -> None:
    # RFC 5737: an address for documentation is nobody's own.
    answer = command.run_json(*arguments, "192.0.2.77:0", code=1)
    assert answer["error"]["kind"] == "AddressError"


def test_sandbox_app_with_a_bad_signing_secret_is_refused(command: Command) -> None:
    arguments = ("sandbox", "app", "--http", "127.0.0.1:0", "--signing-secret", "whsec_!")
    assert "whsec_" in command.run(*arguments, code=1)


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from clicktodial.cli import app; app()", *arguments],
        capture_output=True, text=True, timeout=30, check=False, env=os.environ,
    )  # fmt: skip


def test_unknown_command_exits_with_2() -> None:
    done = run_program("dial")
    assert done.returncode == 2
    assert "dial" in done.stderr
    assert done.stdout == ""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from clicktodial.cli import app\n"
        "heavy = {'sqlalchemy', 'aiohttp', 'litestar', 'phonenumbers', 'numpy', 'rich'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
