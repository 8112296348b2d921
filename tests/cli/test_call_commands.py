"""Calls on the command line: asked for at a server, read from the database."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.cli.conftest import Command
from typer.testing import CliRunner

from clicktodial.cli import app
from clicktodial.cli.client import PIECE_BYTES
from clicktodial.config import load_settings
from clicktodial.domain.call import CallState, EndedBy, EndStage
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import CallStatus, StatusEvent
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.storage import table
from clicktodial.storage.engine import open_engine
from clicktodial.storage.event_codec import encode_event
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.migration import migrate_engine

APP_ID = "12345678"
CALL_ID = "0199c0de" * 4
RECORDING_ID = "0199beef" * 4
BEGUN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class StubServer:
    """Answers every POST alike, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.status = 200
        self.answer: bytes = b"{}"
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                authorization = self.headers["Authorization"]
                stub.requests.append((self.path, authorization, json.loads(body)))
                self.send_response(stub.status)
                self.send_header("Content-Length", str(len(stub.answer)))
                self.end_headers()
                self.wfile.write(stub.answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a test's output is its own."""

        class Server(ThreadingHTTPServer):
            # Joined when the server closes, so that no connection outlives a test.
            daemon_threads = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop; again is no harm."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[StubServer]:
    stub = StubServer()
    yield stub
    stub.close()


def execute(command: Command, *statements: Any) -> None:
    engine = open_engine(load_settings(command.config_path, {}).database_url)
    migrate_engine(engine)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    engine.dispose()


def add_call(command: Command, *, states: int = 4, **changes: Any) -> None:
    """A call with its first events, the earlier ones delivered."""
    row = {
        "id": CALL_ID, "node_id": "n", "app_id": APP_ID,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": "+8613810268653", "callee_written": "8613810268653",
        "begun_at": BEGUN_AT, "state": CallState.ENDED, "duration_s": 7, "event_count": states,
        "connected_at": BEGUN_AT + timedelta(seconds=2),
        "ended_at": BEGUN_AT + timedelta(seconds=9),
        "reason": EndReason.HANG_UP, "ended_by": EndedBy.CALLEE, "stage": EndStage.CONNECTED,
        "leg_outcome": "hung-up", "sip_text": "BYE", "q850": 16,
    }  # fmt: skip
    statements: list[Any] = [insert(table.call).values({**row, **changes})]
    for seq, status in enumerate(list(CallStatus)[:states], 1):
        at = BEGUN_AT + timedelta(seconds=seq - 1)
        event = StatusEvent(
            call_id=CallId(CALL_ID), seq=seq, app_id=AppId(APP_ID), status=status,
            occurred_at=at, sponsor="01052680000", caller="8613912345673",
            callee="8613810268653",
        )  # fmt: skip
        values = {
            "call_id": CALL_ID, "seq": seq, "app_id": APP_ID, "status": status,
            "occurred_at": at, "payload": encode_event(event), "attempts": 1,
            "delivery_state": "delivered", "delivered_at": at,
        }  # fmt: skip
        statements.append(insert(table.call_event).values(values))
    execute(command, *statements)


@pytest.fixture
def application(command: Command) -> None:
    command.run("app", "create", "--app-id", APP_ID, "--secret", "S", "--sponsor", "01052680000")


# Asking for a call


@pytest.mark.usefixtures("application")
def test_call_posts_what_the_specification_wants(command: Command, server: StubServer) -> None:
    server.answer = b'{"code":"0000000","result":{"callidentifier":"A010B020"}}'
    arguments = ("call", "8613912345673", "8613810268653", "--url", server.url)
    assert command.run_json(*arguments) == {"call_id": "A010B020"}
    assert command.run(*arguments, "--record", "--sponsor", "01052680000", "--app-id", APP_ID) == (
        "Call A010B020 has begun.\n"
    )
    (path, authorization, body), (_, _, second) = server.requests
    assert path == "/clicktodial/v1/clicktodialbegin"
    assert authorization == f"Basic {base64.b64encode(b'12345678:S').decode()}"
    assert body == {
        "APPID": APP_ID,
        "sponsor": "+861052680000",
        "caller": "8613912345673",
        "callee": "8613810268653",
        "record": 0,
    }
    assert (second["record"], second["sponsor"]) == (1, "01052680000")


@pytest.mark.usefixtures("application")
def test_refusal_of_the_server_is_told_with_its_code(command: Command, server: StubServer) -> None:
    server.status = 403
    server.answer = b'{"code":"0001007","description":"Number not authorized"}'
    told = command.run("call", "1", "2", "--url", server.url, code=1)
    assert told == "Error: the server refused: 403 0001007 Number not authorized\n"


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"result":1}', b"\xff"])
def test_answer_of_another_program_is_told(
    command: Command, server: StubServer, answer: bytes
) -> None:
    server.answer = answer
    assert command.run("call", "1", "2", "--url", server.url, code=1).startswith(
        "Error: the server's answer"
    )


@pytest.mark.usefixtures("application")
def test_call_without_a_server_says_how_to_start_one(command: Command, server: StubServer) -> None:
    server.close()
    told = command.run("call", "1", "2", "--url", server.url, code=1)
    assert "clicktodial serve" in told


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("url", ["https://h:1", "h:1", "http://", "http://h:port", "http://h/x"])
def test_url_that_is_none_is_refused(command: Command, url: str) -> None:
    assert "is not http://HOST:PORT" in command.run("call", "1", "2", "--url", url, code=1)


@pytest.mark.usefixtures("application")
def test_call_to_a_server_on_any_port_needs_its_url(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLICKTODIAL_HTTP__PORT", "0")
    assert "--url" in command.run("call", "1", "2", code=1)


def test_call_without_an_application_says_how_to_create_one(command: Command) -> None:
    assert "clicktodial app create" in command.run("call", "1", "2", code=1)


@pytest.mark.usefixtures("application")
def test_call_with_several_applications_wants_one_chosen(command: Command) -> None:
    command.run("app", "create", "--app-id", "other")
    assert "--app-id" in command.run("call", "1", "2", code=1)
    assert "app add-number" in command.run("call", "1", "2", "--app-id", "other", code=1)


@pytest.mark.usefixtures("application")
def test_call_followed_tells_each_step_to_the_end(command: Command, server: StubServer) -> None:
    server.answer = json.dumps({"result": {"callidentifier": CALL_ID}}).encode()
    add_call(command)
    arguments = ("call", "8613912345673", "8613810268653", "--follow", "--url", server.url)
    lines = command.run(*arguments).splitlines()
    assert lines[0] == f"Call {CALL_ID}"
    assert [line.split()[2] for line in lines[1:]] == list(CallStatus)
    assert lines[1].split()[:2] == ["+0.00", "s"]
    assert "HangUp: the callee hung up after 7 s (BYE, Q.850 16)" in lines[-1]
    answer = command.run_json(*arguments)
    assert answer["call"]["reason"] == "HangUp"
    assert [event["status"] for event in answer["events"]] == list(CallStatus)


@pytest.mark.usefixtures("application")
def test_call_followed_waits_for_what_is_still_to_come(
    command: Command, server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = json.dumps({"result": {"callidentifier": CALL_ID}}).encode()
    add_call(command, states=1, state=CallState.CALLING_CALLER, reason=None)
    waits: list[float] = []

    def end_the_call(seconds: float) -> None:
        waits.append(seconds)
        ended = {"state": CallState.ENDED, "reason": EndReason.CALLER_BUSY}
        execute(command, update(table.call).values(ended))

    monkeypatch.setattr("clicktodial.cli.call.time.sleep", end_the_call)
    command.run("call", "1", "2", "--follow", "--url", server.url)
    assert len(waits) == 1


FORECAST: dict[str, Any] = {
    "is_possible": True,
    "obstacles": [],
    "caller": {"trunk": "main", "cost_per_minute_micros": 20_000, "obstacle": None},
    "callee": {"trunk": "other", "cost_per_minute_micros": 30_500, "obstacle": None},
    "max_duration_s": 3_600,
    "cost_per_minute_micros": 50_500,
}


@pytest.mark.usefixtures("application")
def test_dry_run_tells_what_would_become_of_the_call(command: Command, server: StubServer) -> None:
    server.answer = json.dumps(FORECAST).encode()
    arguments = ("call", "8613912345673", "8613810268653", "--dry-run", "--url", server.url)
    assert command.run_json(*arguments, "--record") == FORECAST
    ((path, authorization, body),) = server.requests
    assert path == "/management/v1/calls/forecast"
    assert authorization == f"Basic {base64.b64encode(b'12345678:S').decode()}"
    assert body == {
        "sponsor": "+861052680000",
        "caller": "8613912345673",
        "callee": "8613810268653",
        "record": True,
    }
    text = command.run(*arguments)
    assert text.startswith("The call may be placed.\n")
    assert "Callee through      other" in text
    assert "Cost a minute       0.0505" in text


@pytest.mark.usefixtures("application")
def test_dry_run_of_a_call_that_would_fail_says_why(command: Command, server: StubServer) -> None:
    none = {"trunk": None, "cost_per_minute_micros": 0, "obstacle": "no trunk carries it"}
    changes = {"is_possible": False, "obstacles": ["no trunk", "stopping"], "caller": none}
    server.answer = json.dumps(FORECAST | changes).encode()
    arguments = ["call", "1", "2", "--dry-run", "--url", server.url]
    full = [*arguments, "--config", str(command.config_path)]
    result = CliRunner().invoke(app, full)
    assert result.exit_code == 1
    assert result.stdout.startswith("The call would not be placed: no trunk; stopping.\n")
    assert "Caller through      no trunk carries it" in result.stdout
    assert command.run_json(*arguments, code=1)["is_possible"] is False


# What is done with a call that lives


DONE: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("release",), {"only_unconnected": False, "after_s": 0}, "is released"),
    (
        ("release", "--only-unconnected", "--after", "5"),
        {"only_unconnected": True, "after_s": 5},
        "is released",
    ),
    (("continue",), {}, "goes on"),
    (("mute", "caller"), {"side": "caller"}, "the caller is muted"),
    (("unmute", "callee"), {"side": "callee"}, "the callee is heard again"),
    (("hold", "callee"), {"side": "callee"}, "the callee is on hold"),
    (("resume", "caller"), {"side": "caller"}, "the caller is off hold"),
    (("pause-recording",), {}, "is not recorded for now"),
    (("resume-recording",), {}, "is recorded again"),
]


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(("arguments", "body", "words"), DONE)
def test_command_asks_the_server_as_the_call_s_application(
    command: Command,
    server: StubServer,
    arguments: tuple[str, ...],
    body: dict[str, Any],
    words: str,
) -> None:
    command.run("app", "create", "--app-id", "other")
    add_call(command)
    server.status, server.answer = 204, b""
    verb, *rest = arguments
    full = ("calls", verb, CALL_ID, *rest, "--url", server.url)
    assert command.run(*full) == f"Call {CALL_ID}: {words}.\n"
    assert command.run_json(*full) == {"call_id": CALL_ID, "done": verb, **body}
    path, authorization, asked = server.requests[0]
    assert path == f"/management/v1/calls/{CALL_ID}/{verb}"
    assert authorization == f"Basic {base64.b64encode(b'12345678:S').decode()}"
    assert asked == body


@pytest.mark.usefixtures("application")
def test_command_that_the_server_refuses_is_told_in_its_words(
    command: Command, server: StubServer
) -> None:
    add_call(command)
    server.status = 409
    server.answer = b'{"code":"not-connected","detail":"The parties are not joined."}'
    told = command.run("calls", "mute", CALL_ID, "caller", "--url", server.url, code=1)
    assert told == "Error: the server refused: 409 not-connected The parties are not joined.\n"


def test_command_used_wrongly_asks_nobody(command: Command, server: StubServer) -> None:
    add_call(command)
    command.run("calls", "mute", CALL_ID, "both", "--url", server.url, code=2)
    command.run("calls", "release", CALL_ID, "--after", "-1", "--url", server.url, code=2)
    assert "no call" in command.run("calls", "hold", "none", "caller", code=1)
    assert server.requests == []


# Reading calls


def test_calls_list_shows_the_newest(command: Command) -> None:
    assert command.run("calls", "list") == "There are no calls.\n"
    add_call(command)
    assert CALL_ID in command.run("calls", "list")
    assert [call["call_id"] for call in command.run_json("calls", "list")] == [CALL_ID]
    assert command.run_json("calls", "list", "--app-id", "other") == []
    command.run("calls", "list", "--limit", "0", code=2)


def test_calls_show_tells_timeline_end_and_recording(command: Command) -> None:
    add_call(command, recording_id=RECORDING_ID, recording_result="Success")
    text = command.run("calls", "show", CALL_ID)
    assert "HangUp: the callee hung up after 7 s (BYE, Q.850 16)" in text
    assert f"{RECORDING_ID} (Success)" in text
    assert "+3.00 s  Disconnected   delivered (1 try)" in text
    answer = command.run_json("calls", "show", CALL_ID)
    assert answer["call"]["begun_at"] == "2026-03-01T12:00:00Z"
    assert answer["explanation"].startswith("HangUp")


@pytest.mark.parametrize(
    ("reason", "by", "stage", "words"),
    [
        ("HangUp", "caller", "connected", "the caller hung up after 7 s"),
        ("HangUp", "application", "connected", "the application released the call after 7 s"),
        ("CallerBusy", "caller", "calling-caller", "the caller was busy or declined"),
        ("CallerNoAnswer", "platform", "calling-caller", "the caller did not answer"),
        ("CallerFailure", "caller", "calling-caller", "the caller could not be reached"),
        ("CallerAbandon", "caller", "calling-callee", "the caller hung up before the callee"),
        ("CalleeBusy", "callee", "calling-callee", "the callee was busy or declined"),
        ("CalleeNoAnswer", "platform", "calling-callee", "the callee did not answer"),
        ("CalleeFailure", "callee", "calling-callee", "the callee could not be reached"),
        ("Other", "application", "calling-caller", "the application released the call before"),
        ("Other", "platform", "connected", "the platform ended the call after 7 s"),
    ],
)
def test_each_reason_is_explained(
    command: Command, reason: str, by: str, stage: str, words: str
) -> None:
    add_call(
        command, reason=reason, ended_by=by, stage=stage, sip_status=486, sip_text="Busy", q850=17
    )
    told = command.run_json("calls", "show", CALL_ID)["explanation"]
    assert told.startswith(f"{reason}: {words}")
    assert told.endswith("(SIP 486 Busy, Q.850 17)")


def test_calls_show_tells_how_each_leg_went(command: Command) -> None:
    legs = {
        Side.CALLER: LegRecord(
            trunk="main",
            codec="PCMA",
            quality=SideQuality(980, 20, 3.456, 4.123, 41.7),
            silence_s=3,
        ),
        Side.CALLEE: LegRecord(trunk="other", codec="OPUS", is_encrypted=True),
    }
    add_call(command, legs=encode_legs(legs))
    text = command.run("calls", "show", CALL_ID)
    lines = [line.split() for line in text.splitlines()[-3:]]
    assert lines[0][:4] == ["LEG", "TRUNK", "CODEC", "PACKETS"]
    assert lines[1] == ["caller", "main", "PCMA", "980", "2.0", "%", "3.5", "42", "4.1", "3"]
    assert lines[2] == ["callee", "other", "OPUS", "(SRTP)", *["-"] * 6]
    answer = command.run_json("calls", "show", CALL_ID)
    assert answer["call"]["legs"]["caller"]["quality"]["mos"] == 4.123


def test_call_that_lives_has_no_end(command: Command) -> None:
    add_call(command, states=2, state=CallState.CALLING_CALLEE, reason=None, stage=None)
    assert command.run_json("calls", "show", CALL_ID)["explanation"] is None
    assert "End            -" in command.run("calls", "show", CALL_ID)


# Notifications


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "waiting (3 tries): HTTP 500"),
        ("given_up", "given up (3 tries): HTTP 500"),
        ("none", "none wanted"),
    ],
)
def test_each_delivery_is_explained(command: Command, state: str, words: str) -> None:
    add_call(command, states=1)
    changed = {"delivery_state": state, "attempts": 3, "last_error": "HTTP 500"}
    execute(command, update(table.call_event).values(changed))
    assert words in command.run("calls", "show", CALL_ID)


def test_events_replay_lets_what_was_given_up_wait_again(command: Command) -> None:
    add_call(command)
    assert command.run_json("events", "replay", CALL_ID) == {"call_id": CALL_ID, "revived": 0}
    given_up = update(table.call_event).where(table.call_event.c.seq >= 3)
    execute(command, given_up.values(delivery_state="given_up", attempts=12))
    assert command.run_json("events", "replay", CALL_ID) == {"call_id": CALL_ID, "revived": 2}
    events = command.run_json("calls", "show", CALL_ID)["events"]
    states = [event["delivery_state"] for event in events]
    assert states == ["delivered", "delivered", "pending", "pending"]


# Recordings


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("size", [0, 1, 2, 3, PIECE_BYTES, 3 * PIECE_BYTES + 1])
def test_recording_of_any_size_is_fetched_whole(
    command: Command, server: StubServer, tmp_path: Path, size: int
) -> None:
    audio = bytes(index * 7 % 251 for index in range(size))
    filedata = base64.b64encode(audio).decode()
    server.answer = json.dumps(
        {"code": "0000000", "description": "Success", "filedata": filedata}
    ).encode()
    add_call(command, recording_id=RECORDING_ID)
    path = tmp_path / "call.wav"
    answer = command.run_json("recording", "fetch", CALL_ID, "-o", str(path), "--url", server.url)
    assert path.read_bytes() == audio
    assert answer["size_bytes"] == size
    assert answer["sha256"] == hashlib.sha256(audio).hexdigest()
    ((url_path, _, body),) = server.requests
    assert url_path == f"/clicktodial/v1/recordingdownload/{CALL_ID}"
    assert body == {"APPID": APP_ID, "recordingId": RECORDING_ID}


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("answer", [b"{}", b'{"filedata":"QUJD', b'{"filedata":"QUJ"}', b""])
def test_recording_that_does_not_come_whole_leaves_no_file(
    command: Command, server: StubServer, tmp_path: Path, answer: bytes
) -> None:
    server.answer = answer
    add_call(command, recording_id=RECORDING_ID)
    path = tmp_path / "call.wav"
    command.run("recording", "fetch", CALL_ID, "-o", str(path), "--url", server.url, code=1)
    assert [entry.name for entry in tmp_path.iterdir() if "wav" in entry.name] == []


def test_recording_of_a_call_without_one_is_refused(command: Command) -> None:
    add_call(command)
    told = command.run("recording", "fetch", CALL_ID, "-o", "x.wav", code=1)
    assert "was not recorded" in told


@pytest.mark.usefixtures("application")
def test_recording_into_a_directory_that_is_not_there_is_refused(
    command: Command, server: StubServer, tmp_path: Path
) -> None:
    server.answer = b'{"filedata":"QUJD"}'
    add_call(command, recording_id=RECORDING_ID)
    path = tmp_path / "missing" / "call.wav"
    told = command.run("recording", "fetch", CALL_ID, "-o", str(path), "--url", server.url, code=1)
    assert "No such file or directory" in told
