"""What a log line may hold, whoever wrote it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from clicktodial.config import LogSettings
from clicktodial.domain.number import parse_number
from clicktodial.observe.logging import (
    HIDDEN,
    TRACEBACK_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    configure_logging,
)

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Handlers of the test runner must not be closed by basicConfig(force=True).
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configure(
    log_format: Literal["json", "console"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "info",
) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(LogSettings(level=level, format=log_format), stream)
    return stream


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_event_in_json_is_one_line_with_level_and_time() -> None:
    stream = configure()
    log.info("call.ended", call_id="0199" * 8, duration_s=3, app_id="12345678")
    line = only_line(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "call.ended",
        "level": "info",
        "call_id": "0199" * 8,
        "duration_s": 3,
        "app_id": "12345678",
    }


def test_level_below_the_setting_is_not_logged() -> None:
    stream = configure(level="warning")
    log.info("call.ended")
    logging.getLogger("some.library").info("hello")
    assert stream.getvalue() == ""


def test_console_format_is_for_people() -> None:
    stream = configure("console")
    log.warning("trunk.failed", trunk="main")
    assert "trunk.failed" in stream.getvalue()
    assert "trunk=main" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "key", ["secret", "signing_secret", "Authorization", "proxy_password", "master_key", "token"]
)
def test_value_of_a_secret_key_is_hidden(key: str) -> None:
    stream = configure()
    log.info("x", **{key: "Basic MTIz"}, headers={key: "Basic MTIz", "Accept": "*/*"})
    line = only_line(stream)
    assert line[key] == HIDDEN
    assert line["headers"] == {key: HIDDEN, "Accept": "*/*"}
    assert "MTIz" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("8613912345673", "86139******73"),
        ("dialling +8613912345673 now", "dialling +8613*******73 now"),
        ("sip:13912345673@192.0.2.1:5060", "sip:13912****73@192.0.2.1:5060"),
        ("01052680000,13810268653", "01052****00,13810****53"),
    ],
)
def test_number_in_any_text_is_masked(text: str, told: str) -> None:
    stream = configure()
    log.info(text, detail=text, several=[text, {"a": (text,)}], raw=text.encode())
    line = only_line(stream)
    assert line["event"] == line["detail"] == line["raw"] == told
    assert line["several"] == [told, {"a": [told]}]


def test_key_of_srtp_in_any_text_is_hidden() -> None:
    key = "inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ"
    sdp = f"m=audio 4 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}|2^20\r\n"
    stream = configure()
    log.info("x", text=sdp, raw=sdp.encode(), several=[{"body": sdp}], exception=sdp)
    line = only_line(stream)
    assert "WnD7" not in stream.getvalue()
    for told in (line["text"], line["raw"], line["several"][0]["body"], line["exception"]):
        assert "inline:[hidden]|2^20" in told


def test_number_object_is_masked() -> None:
    stream = configure()
    log.info("x", caller=parse_number("8613912345673"))
    assert only_line(stream)["caller"] == "+8613*******73"


@pytest.mark.parametrize(
    "text", ["192.168.100.200:65535", "20260131", "0199c0de12345678901234567890abcd", "1234567"]
)
def test_address_identifier_and_short_run_keep_their_text(text: str) -> None:
    stream = configure()
    log.info("x", detail=text)
    assert only_line(stream)["detail"] == ("********" if text == "20260131" else text)


def test_exception_is_told_with_numbers_masked_and_bounded() -> None:
    stream = configure()
    try:
        raise ValueError("cannot dial 8613912345673" + "x" * 2 * TRACEBACK_CHARACTERS_MAX)
    except ValueError:
        log.exception("call.fault")
    told = only_line(stream)["exception"]
    assert "8613912345673" not in told
    assert len(told) <= TRACEBACK_CHARACTERS_MAX


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_control_characters_of_a_peer_forge_no_line_and_no_escape(
    log_format: Literal["json", "console"],
) -> None:
    stream = configure(log_format)
    log.info("x", call_id="a\nb", detail="\x1b[2Jgone\r\nlevel=error", many=["\x00"])
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_long_value_is_cut() -> None:
    stream = configure()
    log.info("x", detail="y" * 100_000, raw=b"z" * 100_000)
    line = only_line(stream)
    assert len(line["detail"]) <= VALUE_CHARACTERS_MAX + 3
    assert len(line["raw"]) <= VALUE_CHARACTERS_MAX + 3


def test_deep_value_is_told_as_text() -> None:
    stream = configure()
    log.info("x", detail=[[[[[["13912345673"]]]]]])
    assert "13912345673" not in stream.getvalue()


def test_standard_librarys_loggers_take_the_same_way() -> None:
    stream = configure()
    logging.getLogger("some.library").warning("peer %s failed", "+8613912345673")
    line = only_line(stream)
    assert line["event"] == "peer +8613*******73 failed"
    assert line["level"] == "warning"
    assert line["logger"] == "some.library"


def test_access_lines_are_not_logged() -> None:
    stream = configure()
    logging.getLogger("uvicorn.access").info("GET / 200")
    logging.getLogger("alembic.runtime").info("upgrade")
    assert stream.getvalue() == ""


def test_configuring_twice_writes_each_event_once() -> None:
    configure()
    stream = configure()
    logging.getLogger("some.library").warning("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_final_configuration_holds_for_loggers_that_were_used() -> None:
    first, second = io.StringIO(), io.StringIO()
    settings = LogSettings(level="info", format="json")
    configure_logging(settings, first, is_final=True)
    used = structlog.get_logger()
    used.info("one")
    configure_logging(settings, second)
    used.info("two")
    structlog.get_logger().info("three")
    assert [json.loads(line)["event"] for line in first.getvalue().splitlines()] == ["one", "two"]
    assert only_line(second)["event"] == "three"
