"""A small platform for the bench's tests: the commands, v1's begin and release, two SIP legs.

It knows no loss, no errors and no limits. FAKE_FAULT in the environment makes it misbehave:
`mute` never gets ready, `no-trunk` refuses the trunk, `refuse` answers every third begin with
503, `repeat` sends each Connected twice, `die` ends at the 60th begin.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import sys
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from clicktodial.bench.http_client import HttpClient, render_post

FAULT = os.environ.get("FAKE_FAULT", "")
_DIE_AT = 60


@dataclass
class Leg:
    """One INVITE that we sent."""

    number: str
    sip_call_id: str
    answered: asyncio.Future[str]
    ended: asyncio.Future[None]
    to_tag: str = ""


class SipClient(asyncio.DatagramProtocol):
    """Just enough of a UAC for a phone that answers at once."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._legs: dict[str, Leg] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is none of that class.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    async def invite(self, number: str) -> Leg:
        loop = asyncio.get_running_loop()
        leg = Leg(number, uuid.uuid4().hex, loop.create_future(), loop.create_future())
        self._legs[leg.sip_call_id] = leg
        self._send("INVITE", leg, 1, "v=0\r\n")
        leg.to_tag = await leg.answered
        self._send("ACK", leg, 1)
        return leg

    def bye(self, leg: Leg) -> None:
        self._send("BYE", leg, 2)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        text = data.decode()
        call_id = re.search(r"^Call-ID: (\S+)", text, re.MULTILINE)
        tag = re.search(r"^To: .*;tag=(\S+)", text, re.MULTILINE)
        assert call_id is not None
        leg = self._legs.get(call_id[1])
        if leg is None or tag is None or not text.startswith("SIP/2.0 200"):
            return
        if not leg.answered.done():
            leg.answered.set_result(f";tag={tag[1]}")
        elif " BYE" in text and not leg.ended.done():
            leg.ended.set_result(None)

    def _send(self, method: str, leg: Leg, cseq: int, body: str = "") -> None:
        assert self._transport is not None
        kind = "Content-Type: application/sdp\r\n" if body else ""
        message = (
            f"{method} sip:+{leg.number}@phones SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{uuid.uuid4().hex}\r\n"
            f"From: <sip:+861052680000@127.0.0.1>;tag=fake\r\n"
            f"To: <sip:+{leg.number}@phones>{leg.to_tag}\r\n"
            f"Call-ID: {leg.sip_call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:127.0.0.1:{self.port}>\r\nMax-Forwards: 70\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._transport.sendto(message.encode(), self._target)


class FakePlatform:
    """Places calls and tells the application of them."""

    def __init__(self, notifier: HttpClient, phones: SipClient) -> None:
        self._notifier = notifier
        self._phones = phones
        self._released: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = 0

    def answer(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        if path.endswith("/clicktodialbegin"):
            return self._begin(body)
        self._released[path.rpartition("/")[2]].set()
        return 200, {"code": "0000000", "description": "Success"}

    def _begin(self, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        self._begun += 1
        if FAULT == "die" and self._begun == _DIE_AT:
            os._exit(3)
        if FAULT == "refuse" and self._begun % 3 == 0:
            sys.stderr.write(f"refused {self._begun}\n")
            sys.stderr.flush()
            return 503, {"code": "0000002", "description": "Service unavailable"}
        call_id = uuid.uuid4().hex
        self._released[call_id] = asyncio.Event()
        task = asyncio.create_task(self._run_call(call_id, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return 200, {"code": "0000000", "result": {"callidentifier": call_id}}

    async def _run_call(self, call_id: str, body: dict[str, str]) -> None:
        await self._notify(call_id, "CallingCaller")
        caller = await self._phones.invite(body["caller"])
        await self._notify(call_id, "CallingCallee")
        callee = await self._phones.invite(body["callee"])
        for _ in range(2 if FAULT == "repeat" else 1):
            await self._notify(call_id, "Connected")
        await self._released[call_id].wait()
        self._phones.bye(caller)
        self._phones.bye(callee)
        await self._notify(call_id, "Disconnected", reason="HangUp")

    async def _notify(self, call_id: str, status: str, **more: str) -> None:
        done = asyncio.get_running_loop().create_future()
        path = f"/clicktodial/v1/clicktodialstatusnotify/{call_id}"
        body = json.dumps({"status": status, **more}).encode()
        request = render_post("application", path, "Basic eDp5", body)
        self._notifier.send(request, lambda answer_status, _: done.set_result(answer_status))
        assert await done == 200

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while line := await reader.readline():
            path = line.split()[1].decode()
            length = 0
            while (header := await reader.readline()) != b"\r\n":
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            status, answer = self.answer(path, json.loads(await reader.readexactly(length)))
            body = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
            writer.write(body)
        writer.close()


def read_store(config: Path) -> Path:
    settings = tomllib.loads(config.read_text())
    return Path(settings["storage"]["data_dir"])


async def serve(config: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    store = read_store(config)
    notify_port = int((store / "notify").read_text().rpartition(":")[2])
    host, _, port = (store / "trunk").read_text().rpartition(":")
    _, phones = await loop.create_datagram_endpoint(
        lambda: SipClient((host, int(port))),
        local_addr=("127.0.0.1", 0),
        family=socket.AF_INET,
    )
    platform = FakePlatform(HttpClient("127.0.0.1", notify_port), phones)
    server = await asyncio.start_server(platform.serve_connection, "127.0.0.1", 0)
    http_port = server.sockets[0].getsockname()[1]
    if FAULT != "mute":
        sys.stdout.write(
            f"clicktodial ready http=127.0.0.1:{http_port} sip=127.0.0.1:{phones.port}\n"
        )
        sys.stdout.flush()
        await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+")
    parser.add_argument("--config", type=Path, required=True)
    for name in ("--app-id", "--secret", "--sponsor", "--notify-url", "--target"):
        parser.add_argument(name)
    parser.add_argument("--allow-private-addresses", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    match arguments.words:
        case ["serve"]:
            asyncio.run(serve(arguments.config))
        case ["app", "create"]:
            (read_store(arguments.config) / "notify").write_text(arguments.notify_url)
        case ["trunk", "add", _]:
            if FAULT == "no-trunk":
                sys.exit("no trunk today")
            (read_store(arguments.config) / "trunk").write_text(arguments.target)
        case _:
            sys.exit(2)


if __name__ == "__main__":
    main()
