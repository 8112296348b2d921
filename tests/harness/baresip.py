"""baresip as a phone: it answers by itself, says a tone, and writes down what it hears.

It is steered and watched through its control connection: JSON in netstrings, commands one way
and events the other.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import soundfile
from tests.harness.address import Address, allocate_host, free_port
from tests.harness.process import OwnedProcess
from tests.harness.switch import Switch
from tests.harness.tone import Samples

PACKAGE = "baresip-core"
SPOKEN_S = 60
AMPLITUDE = 0.4
_MODULES = "/usr/lib/baresip/modules"
_START_TIMEOUT_S = 30.0
_POLL_S = 0.01
# RTP and RTCP of its one call, and of one before that is not quite gone.
_MEDIA_PORTS = 20
_CODEC_MODULES = ("g711", "g722", "opus")


class Baresip:
    """One baresip on a host of its own, registered nowhere, with one number.

    `codecs` are baresip's names with rates, preferred first ("PCMA/8000/1", "opus/48000/2").
    `srtp` "" or "srtp-mand".
    """

    def __init__(
        self,
        directory: Path,
        number: str,
        *,
        tone_hz: int,
        codecs: Sequence[str] = ("PCMA/8000/1", "PCMU/8000/1"),
        srtp: str = "",
        answers: bool = True,
    ) -> None:
        host = allocate_host()
        self.number = number
        self.address: Address = (host, free_port(host))
        self.events: list[dict[str, Any]] = []
        # baresip cuts the names of its recordings where the path is long; its log is the test's.
        self._directory = Path(tempfile.mkdtemp(prefix="baresip-"))
        weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        self._log_stem = directory / f"baresip-{number.lstrip('+')}"
        self._control: Address = (host, free_port(host, socket.SOCK_STREAM))
        self._write_settings(tone_hz, codecs, srtp, answers=answers)
        self._process: OwnedProcess | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def start(self) -> Self:
        """Start it; returns when its SIP and its control connection are open."""
        baresip = shutil.which("baresip")
        assert baresip is not None, f"baresip is missing: apt-get install {PACKAGE}"
        self._process = OwnedProcess([baresip, "-f", str(self._directory)], log_stem=self._log_stem)
        async with asyncio.timeout(_START_TIMEOUT_S):
            reader = await self._connect()
        self._listener = asyncio.create_task(self._listen(reader))
        return self

    async def command(self, name: str, parameters: str = "") -> None:
        """One of baresip's commands: hold, resume, hangup, accept, ..."""
        assert self._writer is not None
        text = json.dumps({"command": name, "params": parameters}).encode()
        self._writer.write(b"%d:%b," % (len(text), text))
        await self._writer.drain()

    async def wait_for(self, kind: str, count: int = 1, timeout_s: float = 30.0) -> None:
        """Until there were so many events of that kind, e.g. CALL_ESTABLISHED."""
        async with asyncio.timeout(timeout_s):
            while [event.get("type") for event in self.events].count(kind) < count:
                self._changed.clear()
                await self._changed.wait()

    def heard(self) -> tuple[Samples, int]:
        """What it heard in its last call, with the sample rate; complete once the call is over."""
        paths = sorted(self._directory.glob("dump-*-dec.wav"))
        assert paths, "nothing was heard"
        samples, rate = soundfile.read(paths[-1])
        return np.asarray(samples, dtype=np.float64), rate

    @property
    def log(self) -> str:
        """All that baresip said."""
        assert self._process is not None
        return self._process.output_path.read_text(errors="replace") + self._process.errors

    async def close(self) -> None:
        """End it."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            self._process.kill_group()

    async def _connect(self) -> asyncio.StreamReader:
        assert self._process is not None
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(*self._control)
            except OSError:
                # It says nowhere that it listens; its end is the only other thing to see.
                assert self._process.is_running, self.log
                await asyncio.sleep(_POLL_S)
            else:
                return reader

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
            except asyncio.IncompleteReadError:
                return  # baresip has ended
            self.events.append(message)
            self._changed.set()

    def _write_settings(
        self, tone_hz: int, codecs: Sequence[str], srtp: str, *, answers: bool
    ) -> None:
        host, port = self.address
        # baresip plays a file as it is, or not at all: it has to be of the codec's own form.
        _, *form = codecs[0].split("/")
        rate, channels = map(int, form)
        instants = np.arange(SPOKEN_S * rate) / rate
        tone = self._directory / "spoken.wav"
        wave = AMPLITUDE * np.sin(2 * np.pi * tone_hz * instants)
        soundfile.write(tone, np.column_stack([wave] * channels), rate)
        first_port = free_port(host) & ~1
        modules = [*_CODEC_MODULES, *(["srtp"] if srtp else []), "aufile", "aubridge"]
        lines = [
            f"net_interface {host}",
            f"sip_listen {host}:{port}",
            f"rtp_ports {first_port}-{first_port + _MEDIA_PORTS}",
            # Of Debian's baresip only the bridge plays without a sound card.
            "audio_player aubridge,nowhere",
            "audio_alert aubridge,nowhere",
            f"audio_source aufile,{tone}",
            f"module_path {_MODULES}",
            *(f"module {name}.so" for name in (*modules, "sndfile", "ctrl_tcp")),
            "module_tmp account.so",
            "module_app menu.so",
            f"ctrl_tcp_listen {self._control[0]}:{self._control[1]}",
            f"snd_path {self._directory}",
        ]
        (self._directory / "config").write_text("\n".join(lines) + "\n")
        parameters = [
            "regint=0",
            f"answermode={'auto' if answers else 'manual'}",
            f"audio_codecs={','.join(codecs)}",
            *([f"mediaenc={srtp}"] if srtp else []),
        ]
        user = f"+{self.number.lstrip('+')}"  # as the request URI spells it
        account = f"<sip:{user}@{host}:{port}>;{';'.join(parameters)}\n"
        (self._directory / "accounts").write_text(account)
        (self._directory / "contacts").write_text("")


# By number and tone, and Baresip's settings by name.
StartPhone = Callable[..., Awaitable[Baresip]]


@contextlib.asynccontextmanager
async def open_phones(switch: Switch, directory: Path) -> AsyncIterator[StartPhone]:
    """Starts phones behind the switch, and ends them."""
    phones: list[Baresip] = []

    async def start(number: str, tone_hz: int, **settings: object) -> Baresip:
        phone = Baresip(directory, number, tone_hz=tone_hz, **settings)  # type: ignore[arg-type]
        phones.append(phone)
        await phone.start()
        await switch.connect(number, phone.address)
        return phone

    try:
        yield start
    finally:
        for phone in phones:
            await phone.close()
