"""Sessions and nodes against something that answers as no rtpengine should."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tests.media.relay_contract import WARNING
from tests.media.rtpengine.fake_node import Answer, FakeNode
from tests.media.rtpengine.support import create_settings

import clicktodial.media.rtpengine.node as node_module
from clicktodial.control.port import RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.leg import RecentQuality
from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, MediaAddress, MediaDescription
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.media.prompt import HUSH_NAME
from clicktodial.media.rtpengine.fleet import RtpengineFleet
from clicktodial.media.rtpengine.node import LISTED_MAX, PING_INTERVAL_S
from clicktodial.media.rtpengine.reply import StatisticsReply
from clicktodial.media.rtpengine.session import SEGMENTS_PER_RECORDING_MAX

DEAD_AFTER_S = 2
MEDIA = MediaDescription(MediaAddress("127.0.0.1", 4_000), (PCMA,), TELEPHONE_EVENT)
_CRYPTO = re.compile(r"a=crypto:\d+ (\S+) (\S+)")


class Impostor:
    """Answers as rtpengine does, but for what `replace` holds: an answer by command."""

    def __init__(self, directory: Path) -> None:
        self.node = FakeNode(self.answer)
        self.directory = directory
        self.replace: dict[str, Answer] = {}
        self.calls: list[str] = []
        self.ports = {"offer": 30_000, "answer": 30_010}
        self.keys: dict[str, str] = {}
        self.started_at = time.monotonic()

    def answer(self, request: dict[str, Any]) -> Answer:
        command = request["command"]
        if command in self.replace:
            return self.replace[command]
        match command:
            case "ping":
                return {"result": "pong"}
            case "statistics":
                uptime_s = int(time.monotonic() - self.started_at)
                totals = {"uptime": str(uptime_s)}
                return {"result": "ok", "statistics": {"totalstatistics": totals}}
            case "list":
                return {"result": "ok", "calls": self.calls[: request["limit"]]}
            case "delete":
                if request["call-id"] in self.calls:
                    self.calls.remove(request["call-id"])
                return {"result": "ok"}
            case "query":
                return {"result": "ok", "created": 1_700_000_000, "tags": {}}
            case "offer" | "answer":
                return {"result": "ok", "sdp": self.describe(command, request)}
        return {"result": "ok"}

    def describe(self, command: str, request: dict[str, Any]) -> str:
        """Towards the caller every key that the callee offered, towards the callee the first that
        it ever took from the caller."""
        keys = _CRYPTO.findall(request["sdp"])
        if command == "answer":
            first = self.keys.setdefault(request["call-id"], keys[0][1] if keys else "")
            keys = [("AES_CM_128_HMAC_SHA1_80", first)]
        lines = [f"a=crypto:{n} {suite} {key}" for n, (suite, key) in enumerate(keys, 1)]
        port = self.ports[command]
        return "\r\n".join(["c=IN IP4 127.0.0.1", f"m=audio {port} RTP/AVP 8", *lines, ""])

    def commands(self, name: str) -> list[dict[str, Any]]:
        return [request for _, request in self.node.received if request["command"] == name]


@pytest_asyncio.fixture
async def impostor(tmp_path: Path) -> AsyncIterator[Impostor]:
    impostor = Impostor(tmp_path / "shared")
    await impostor.node.start()
    yield impostor
    impostor.node.close()


@pytest_asyncio.fixture
async def relay(impostor: Impostor, tmp_path: Path) -> AsyncIterator[RtpengineFleet]:
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",), dead_after_s=DEAD_AFTER_S)
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    yield relay
    await relay.close()


UNUSABLE: list[Answer] = [
    {"result": "error", "error-reason": "no"},
    {"result": "load limit", "message": "full"},
    {"result": "ok"},
    {"result": "ok", "sdp": 5},
    {"result": "ok", "sdp": ""},
    {"result": "ok", "sdp": "c=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 8\r\n"},
    {"result": "ok", "sdp": "c=IN IP4 127.0.0.1\r\nm=audio 30000 RTP/SAVP 8\r\n"},
    b"not json",
]


@pytest.mark.parametrize("command", ["offer", "answer"])
@pytest.mark.parametrize("answer", UNUSABLE, ids=range(len(UNUSABLE)))
async def test_session_that_cannot_be_made_is_refused_and_deleted(
    relay: RtpengineFleet, impostor: Impostor, command: str, answer: Answer
) -> None:
    impostor.replace[command] = answer
    with pytest.raises(RelayError):
        await relay.open(create_call_id(), print)
    assert relay.session_count == 0
    async with asyncio.timeout(20):
        while not impostor.commands("delete"):  # noqa: ASYNC110 - the node tells of nothing
            await asyncio.sleep(0.01)
    impostor.replace.clear()
    await (await relay.open(create_call_id(), print)).close()


@pytest.mark.parametrize("command", ["offer", "answer"])
async def test_port_that_moves_is_refused_and_the_side_stays_as_it_was(
    relay: RtpengineFleet, impostor: Impostor, command: str
) -> None:
    session = await relay.open(create_call_id(), print)
    before = [await session.local_address(side) for side in Side]
    impostor.ports[command] += 2
    with pytest.raises(RelayError, match="port"):
        await session.set_remote(Side.CALLER, MEDIA)
    assert [await session.local_address(side) for side in Side] == before
    with pytest.raises(RelayError, match="codec"):
        await session.play(Side.CALLER, WARNING)
    impostor.ports[command] -= 2
    await session.set_remote(Side.CALLER, MEDIA)
    await session.play(Side.CALLER, WARNING)


async def test_key_that_changes_is_refused(relay: RtpengineFleet, impostor: Impostor) -> None:
    session = await relay.open(create_call_id(), print)
    impostor.keys[f"owner.{session.call_id}"] = "inline:" + "Z" * 40
    with pytest.raises(RelayError, match="key"):
        await session.set_remote(Side.CALLER, MEDIA)


QUERIES: list[Answer] = [
    {"result": "ok"},
    {"result": "ok", "created": "now", "tags": {}},
    {"result": "ok", "created": 1, "tags": []},
    {"result": "ok", "created": 1, "tags": {"caller": {"medias": [{"streams": [{"stats": 5}]}]}}},
    {"result": "ok", "created": 1, "tags": {}, "SSRC": {"1": {"cumulative loss": "many"}}},
    # More than is told as a date, and than is divided.
    {"result": "ok", "created": 10**12, "tags": {}},
    {"result": "ok", "created": -1, "tags": {}},
    {"result": "ok", "created": 1, "created_us": 10**400, "tags": {}},
    {"result": "ok", "created": 1, "tags": {}, "SSRC": {"1": {"average MOS": {"jitter": 10**400}}}},
    {"result": "ok", "created": 1, "tags": {}, "SSRC": {"1": {"MOS progression": {"entries": 5}}}},
    b"{",
]


@pytest.mark.parametrize("answer", QUERIES, ids=range(len(QUERIES)))
async def test_statistics_that_cannot_be_read_are_an_error(
    relay: RtpengineFleet, impostor: Impostor, answer: Answer
) -> None:
    session = await relay.open(create_call_id(), print)
    impostor.replace["query"] = answer
    with pytest.raises(RelayError):
        await session.quality()
    with pytest.raises(RelayError):
        await session.start_recording()
    assert await session.close() is None


def tell_of(packets: int, ssrc: int, **report: Any) -> dict[str, Any]:
    """A query's answer: so many packets of the caller, and what the callee tells of them."""
    streams = [{"stats": {"packets": packets}, "SSRC": 1}]
    heard = [{"stats": {"packets": 10}, "SSRC": ssrc}]
    tags = {
        "caller": {"medias": [{"streams": streams}]},
        "callee": {"medias": [{"streams": heard}]},
    }
    return {"result": "ok", "created": 1, "tags": tags, "SSRC": {str(ssrc): report}}


async def test_quality_of_a_side_is_what_the_other_tells_of_it(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    session = await relay.open(create_call_id(), print)
    await session.set_remote(Side.CALLER, MEDIA)
    average = {"round-trip time leg": 30_500, "jitter": 7}
    lately = {"entries": [{"jitter": 1}, {"round-trip time leg": 42_500, "jitter": 9}]}
    report = {"cumulative loss": 10, "average MOS": average, "MOS progression": lately}
    impostor.replace["query"] = tell_of(90, 2, **report)
    quality = await session.quality()
    assert (quality.caller.packets, quality.caller.packets_lost) == (90, 10)
    assert (quality.caller.jitter_ms, quality.caller.round_trip_ms) == (7.0, None)
    assert quality.caller.mos is not None and 1.0 <= quality.caller.mos <= 3.5
    # Too little came of the callee, and nobody tells what became of it.
    assert (quality.callee.packets, quality.callee.mos) == (10, None)
    assert quality.callee.round_trip_ms == 30.5
    assert quality.caller_recent == RecentQuality(9.0, None, "PCMA")
    assert quality.callee_recent is None


@pytest.mark.parametrize("loss", [-5, 2**23, 2**24 - 1, 2**40])
async def test_loss_that_is_negative_or_nonsense_counts_as_none(
    relay: RtpengineFleet, impostor: Impostor, loss: int
) -> None:
    session = await relay.open(create_call_id(), print)
    await session.set_remote(Side.CALLER, MEDIA)
    impostor.replace["query"] = tell_of(90, 2, **{"cumulative loss": loss})
    assert (await session.quality()).caller.packets_lost == 0


async def test_what_is_asked_for_before_the_end_still_happens_and_after_it_nothing(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    session = await relay.open(create_call_id(), print)
    impostor.node.received.clear()
    *_, refusal = await asyncio.gather(
        session.set_remote(Side.CALLER, MEDIA),
        session.play(Side.CALLER, WARNING),
        session.quality(),
        session.close(),
        session.quality(),
        return_exceptions=True,
    )
    assert isinstance(refusal, RelayError)
    commands = [request["command"] for _, request in impostor.node.received]
    assert [name for name in commands if name not in ("ping", "statistics")] == [
        *("offer", "answer", "block media", "play media", "query", "delete")
    ]


async def test_session_that_rtpengine_lost_is_told_dead(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    deaths: asyncio.Queue[str] = asyncio.Queue()
    session = await relay.open(create_call_id(), deaths.put_nowait)
    for side in Side:
        await session.set_remote(side, MEDIA)
    impostor.replace["query"] = {"result": "error", "error-reason": "Unknown call-id"}
    detail = await asyncio.wait_for(deaths.get(), 10 * DEAD_AFTER_S)
    assert "lost" in detail
    assert await session.close() is None


@pytest.mark.parametrize(
    ("uptime", "seconds"),
    [("0", 0), ("86400", 86_400), ("", None), ("-5", None), ("soon", None), ("9" * 30, None)],
)
def test_uptime_is_a_count_of_seconds_or_unknown(uptime: str, seconds: int | None) -> None:
    answer = {"result": "ok", "statistics": {"totalstatistics": {"uptime": uptime}}}
    assert msgspec.convert(answer, StatisticsReply).uptime_s == seconds


async def test_session_in_which_packets_come_is_asked_about_no_more_than_needed(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    deaths: asyncio.Queue[str] = asyncio.Queue()
    session = await relay.open(create_call_id(), deaths.put_nowait)
    for side in Side:
        await session.set_remote(side, MEDIA)
    packets = 0

    def answer(request: dict[str, Any]) -> Answer:
        nonlocal packets
        if request["command"] != "query":
            return impostor.answer(request)
        packets += 50
        # A clock that stands still: only the packets tell that somebody speaks.
        return tell_of(packets, 2)

    loop = asyncio.get_running_loop()
    began_at = loop.time()
    impostor.node.answer = answer
    await asyncio.sleep(1.5 * DEAD_AFTER_S)
    assert deaths.empty()
    # Once a second, however late this is.
    assert 1 <= len(impostor.commands("query")) <= loop.time() - began_at
    await session.close()


async def test_reading_of_the_quality_puts_off_the_question_whether_anybody_speaks(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    session = await relay.open(create_call_id(), print)
    for side in Side:
        await session.set_remote(side, MEDIA)
    assert session._watch is not None
    asks_at = session._watch.when()
    spoke = {"stats": {"packets": 50}, "SSRC": 1, "last packet": 1}
    tags = {"caller": {"medias": [{"streams": [spoke]}]}}
    impostor.replace["query"] = {"result": "ok", "created": 1, "tags": tags}
    await session.quality()
    assert session._watch.when() > asks_at
    await session.close()
    with pytest.raises(RelayError):
        await session.quality()
    assert session._watch is None


async def test_recording_that_is_interrupted_too_often_is_refused(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    session = await relay.open(create_call_id(), print)
    await session.start_recording()
    for _ in range(SEGMENTS_PER_RECORDING_MAX - 1):
        await session.pause_recording()
        await session.resume_recording()
    await session.pause_recording()
    with pytest.raises(RelayError, match="too often"):
        await session.resume_recording()
    # It wrote nothing where it was thought to, which is no empty recording but a lost one.
    assert await session.close() is None
    assert impostor.commands("start recording")[0]["metadata"] == "clicktodial-segment-0"


@pytest.mark.parametrize("command", ["block media", "stop recording", "start recording"])
async def test_mute_that_failed_is_not_taken_for_done(
    relay: RtpengineFleet, impostor: Impostor, command: str
) -> None:
    session = await relay.open(create_call_id(), print)
    await session.start_recording()
    impostor.replace[command] = {"result": "error", "error-reason": "no"}
    with pytest.raises(RelayError):
        await session.set_muted(Side.CALLER, muted=True)
    impostor.replace.clear()
    impostor.node.received.clear()
    await session.set_muted(Side.CALLER, muted=True)
    # Where the capture was stopped it is the caller's to go on, by then without that side.
    await session.resume_recording()
    segment = impostor.commands("start recording")[-1]["metadata"]
    note = await asyncio.to_thread(read_note, impostor, session.call_id)
    assert note["muted"][int(segment.rpartition("-")[2])] == ["caller"]
    await session.close()


def read_note(impostor: Impostor, call_id: str) -> dict[str, Any]:
    (path,) = impostor.directory.rglob(f"{call_id}.json")
    note: dict[str, Any] = json.loads(path.read_bytes())
    return note


async def test_deletion_that_failed_is_made_up_for(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    call_id = create_call_id()
    session = await relay.open(call_id, print)
    impostor.calls = [f"owner.{call_id}"]
    impostor.replace["delete"] = {"result": "error", "error-reason": "no"}
    await session.close()
    impostor.replace.clear()
    other = await relay.open(create_call_id(), print)
    impostor.calls.append(f"owner.{other.call_id}")
    async with asyncio.timeout(20 * PING_INTERVAL_S):
        while f"owner.{call_id}" in impostor.calls:  # noqa: ASYNC110 - it is done in passing
            await asyncio.sleep(0.05)
    assert impostor.calls == [f"owner.{other.call_id}"]


async def test_node_whose_answers_are_too_deep_is_missed_and_watched_on(
    relay: RtpengineFleet, impostor: Impostor
) -> None:
    answer = b'{"result": "ok", "further": ' + b"[" * 10_000
    impostor.replace = {"statistics": answer, "ping": answer}
    async with asyncio.timeout(20 * PING_INTERVAL_S):
        while relay.has_room():  # noqa: ASYNC110 - the node tells of nothing
            await asyncio.sleep(0.05)
    impostor.replace.clear()
    async with asyncio.timeout(20 * PING_INTERVAL_S):
        while not relay.has_room():  # noqa: ASYNC110 - the node tells of nothing
            await asyncio.sleep(0.05)


async def test_load_that_is_no_number_of_calls_keeps_no_other_node_from_them(
    impostor: Impostor, tmp_path: Path
) -> None:
    other = Impostor(tmp_path / "shared")
    await other.node.start()
    other.replace["statistics"] = {
        "result": "ok",
        "statistics": {"currentstatistics": {"sessionstotal": 10**400}},
    }
    names = tuple(f"{host}:{port}" for host, port in (other.node.address, impostor.node.address))
    settings = create_settings(rtpengine=names)
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    await (await relay.open(create_call_id(), print)).close()
    assert relay.up_by_node() == {names[0]: 0, names[1]: 1}
    await relay.close()
    other.node.close()


async def test_leftovers_are_deleted_however_many_and_strangers_kept(
    impostor: Impostor, tmp_path: Path
) -> None:
    strangers = [f"other.{number}" for number in range(10)]
    impostor.calls = [*strangers, *(f"owner.{number}" for number in range(LISTED_MAX + 5))]
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    assert impostor.calls == strangers
    await relay.close()


async def test_leftovers_that_cannot_be_listed_keep_nobody_from_starting(
    impostor: Impostor, tmp_path: Path
) -> None:
    impostor.replace["list"] = {"result": "ok", "calls": "all"}
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    assert relay.has_room()
    await relay.close()


async def test_leftovers_that_are_deleted_too_slowly_keep_nobody_from_starting(
    impostor: Impostor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "TIDY_TIMEOUT_S", 0.5)
    impostor.replace["list"] = {"result": "ok", "calls": [f"owner.{n}" for n in range(LISTED_MAX)]}
    asked = set()

    def answer_second(request: dict[str, Any]) -> Answer:
        cookie, _ = impostor.node.received[-1]
        if request["command"] == "delete" and cookie not in asked:
            asked.add(cookie)
            return None
        return impostor.answer(request)

    impostor.node.answer = answer_second
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    async with asyncio.timeout(20):
        await relay.start()
    assert relay.has_room()
    # It goes on with them, and is none the less watched.
    pings = len(impostor.commands("ping"))
    async with asyncio.timeout(20 * PING_INTERVAL_S):
        while len(impostor.commands("ping")) < pings + 2:  # noqa: ASYNC110 - it is done in passing
            await asyncio.sleep(0.05)
    assert len(impostor.commands("list")) > 1
    await relay.close()


@pytest.mark.parametrize("note", [b"", b"{}", b"[]", b'{"call_id": 1}', b"\xff"])
async def test_note_that_cannot_be_read_is_left_where_it_is(
    impostor: Impostor, tmp_path: Path, note: bytes
) -> None:
    path = tmp_path / "shared/clicktodial/owner/call.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    assert relay.recoverable_captures() == {}
    assert path.exists()
    await relay.close()


NOTE = {"call_id": "call", "started_us": 1, "ports": {"caller": 1, "callee": 2}, "muted": [[]]}


@pytest.mark.parametrize(
    "changes",
    [
        {"call_id": "../../../private"},
        {"call_id": "*"},
        {"call_id": "other"},
        {"started_us": 10**400},
        {"started_us": -1},
    ],
    ids=lambda changes: "-".join(changes),
)
async def test_note_that_nobody_of_ours_wrote_reaches_no_file_of_another(
    impostor: Impostor, tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "shared/clicktodial/owner/call.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**NOTE, **changes}))
    private = tmp_path / "private.json"
    private.write_text("private")
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    assert relay.recoverable_captures() == {}
    assert path.exists() and private.exists()
    await relay.close()


async def test_link_in_the_place_of_an_unfinished_file_is_not_written_through(
    impostor: Impostor, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.write_text("private")
    call_id = create_call_id()
    own = tmp_path / "shared/clicktodial/owner"
    (own / "prompt").mkdir(parents=True)
    for part in (own / f"{call_id}.part", own / "prompt" / f"{HUSH_NAME}.part"):
        part.symlink_to(private)
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(settings, tmp_path / "spool", tmp_path / "shared", owner="owner")
    await relay.start()
    session = await relay.open(call_id, print)
    await session.start_recording()
    assert private.read_text() == "private"
    assert (own / f"{call_id}.json").is_file() and (own / f"prompt/{HUSH_NAME}.wav").is_file()
    await relay.close()


async def test_audio_that_two_sessions_copy_at_once_is_found_by_both(
    impostor: Impostor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = AudioLibrary(tmp_path / "audio")
    source = tmp_path / "source.wav"
    soundfile.write(source, np.zeros(8_000), 8_000)
    library.add("welcome", source)
    host, port = impostor.node.address
    settings = create_settings(rtpengine=(f"{host}:{port}",))
    relay = RtpengineFleet(
        settings, tmp_path / "spool", tmp_path / "shared", library, owner="owner"
    )
    await relay.start()
    write, both = soundfile.write, threading.Barrier(2, timeout=5)

    def write_at_once(*arguments: Any, **options: Any) -> None:
        both.wait()
        write(*arguments, **options)

    monkeypatch.setattr(soundfile, "write", write_at_once)
    found = await asyncio.gather(*(relay.find_audio("welcome") for _ in range(2)))
    ((path, _),) = set(found)
    assert soundfile.info(path).frames == 8_000
    assert list(relay.captures.prompt_dir.glob("library-*")) == [Path(path)]
    await relay.close()
