"""The gateway between browsers and relays: a second RTPProxy in the process.

It is one of its own, with ports of its own, so that the relay of all other calls stays without
modules and a firewall can tell the ports that browsers need from those that carriers do. One
session is one browser. In the order of a call:

    U  && M4 A && M5 A, C   what the browser offers; answers the port for the relay to send to
    L  && M4 S && M5 S      answers the port, the certificate and the credentials for the browser
    L  the relay's address  point: from now on the browser's audio goes there
    Q                       how many packets have come of it
    D                       close

Until ICE is complete, which only who has the password of this session can do, nothing but STUN is
read; until DTLS is, with the certificate that was told with the offer, nothing is passed on.
"""

import asyncio
import ipaddress
import re
from collections.abc import Callable
from typing import Any

import structlog
from rtp.io import rtpproxy

from clicktodial.config import MediaSettings
from clicktodial.control.port import RelayError
from clicktodial.domain.media import Codec, MediaAddress
from clicktodial.media.channel import CommandChannel
from clicktodial.media.remote import is_sendable, read_remote
from clicktodial.media.rtpio import PORTS_PER_SESSION
from clicktodial.media.rtpio_session import read_port
from clicktodial.media.webrtc.error import NoRoomForWebPhone, OfferUnusable
from clicktodial.media.webrtc.sdp import WebFacing, WebOffer

log = structlog.get_logger()

# Each is a person at a console, and takes 0.6 % of a core: all of them a fifth.
SESSIONS_MAX = 32
MODULES = ["ice_lite", "dtls_gw"]
_DTLS, _ICE = "M4:1", "M5:1"
# Longer than any call may last: who opened a session closes it, and watches it meanwhile.
_TTL_S = 2 * 86_400
_BROWSER, _RELAY = "a", "b"
_DTLS_REPLY = re.compile(r"(active|passive) SHA-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", re.ASCII)
_ICE_REPLY = re.compile(r"([A-Za-z0-9+/]{4,256}) ([A-Za-z0-9+/]{22,256}) c:\S+", re.ASCII)


class WebGateway:
    """One a process, started before it is used."""

    def __init__(self, settings: MediaSettings) -> None:
        """Raises RelayError where the settings name no addresses."""
        self._settings = settings
        try:
            self._local = ipaddress.IPv4Address(settings.host)
            # Browsers look up no names in candidates.
            self._advertised = str(ipaddress.IPv4Address(settings.advertised_host or self._local))
        except ValueError as error:
            raise RelayError(f"the gateway for browsers cannot start: {error}") from error
        ports = settings.webrtc_port_max - settings.webrtc_port_min + 1
        self._sessions_max = min(SESSIONS_MAX, ports // PORTS_PER_SESSION)
        self._sessions: set[WebSession] = set()
        self._proxy: Any = None
        self._channel: CommandChannel | None = None

    async def start(self) -> None:
        """Raises RelayError."""
        settings = self._settings
        arguments = [
            # What strangers send is no news of ours: below "crit" each bad packet is a line.
            *("-F", "-d", "crit", "--no_resolve", "-l", settings.host),
            *("-m", str(settings.webrtc_port_min), "-M", str(settings.webrtc_port_max)),
            *("-T", str(_TTL_S), "-W", str(_TTL_S)),
        ]
        self._proxy = rtpproxy(modules=MODULES, extra_args=arguments)
        if self._proxy is None:
            raise RelayError("the gateway for browsers cannot start with these settings")
        self._channel = CommandChannel(self._proxy.rtpp_sock)
        log.info("webrtc.started", sessions_max=self._sessions_max)

    async def close(self) -> None:
        """Delete all sessions and end the threads."""
        if self._proxy is None or self._channel is None:
            return
        try:
            await self._channel.request("X")
        except RelayError as error:
            log.warning("webrtc.close_failed", error=str(error))
        self._channel.close()
        self._sessions.clear()
        sockets = (self._proxy.rtpp_sock, self._proxy.rtpp_nsock)
        last_reference, self._proxy = [self._proxy], None
        # Its destructor joins the threads, which takes most of a second.
        await asyncio.to_thread(last_reference.clear)
        for each in sockets:
            each.close()

    async def open(self, name: str, offer: WebOffer, codec: Codec) -> "WebSession":
        """A session of that name, of letters and digits, for who made the offer. Raises
        NoRoomForWebPhone, OfferUnusable, RelayError."""
        if self._channel is None:
            raise RelayError("the gateway for browsers is not running")
        if len(self._sessions) >= self._sessions_max:
            raise NoRoomForWebPhone
        usable = [each for each in offer.candidates if is_sendable(each.host, self._local)]
        if not usable:
            raise OfferUnusable("The browser tells no IPv4 address of its own.")
        types = ",".join(str(each.payload_type) for each in (codec, offer.dtmf) if each)
        session = WebSession(self._channel, name, types, self._sessions.discard)
        self._sessions.add(session)
        candidates = "".join(f" && {_ICE} C {each}" for each in usable)
        try:
            await session.open(
                f"&& {_DTLS} A SHA-256 {offer.fingerprint}"
                f" && {_ICE} A {offer.ufrag} {offer.password}{candidates}",
                advertised=self._advertised,
            )
        except BaseException:
            # Refused, late or given up: RTPProxy may have made it all the same.
            await session.close()
            raise
        return session

    @property
    def own_host(self) -> str:
        """Where a relay sends to."""
        settings = self._settings
        if not self._local.is_unspecified:
            return settings.host
        is_embedded = settings.driver == "rtpio"
        return "127.0.0.1" if is_embedded else settings.advertised_host or settings.host

    def find_remote(self, address: MediaAddress) -> str:
        """The relay's address as RTPProxy is told it. Raises RelayError."""
        settings, host = self._settings, address.host
        if settings.driver == "rtpio" and host == settings.advertised_host:
            # The embedded relay is here, whatever networks know it by.
            host = self.own_host
        return f"{read_remote(host, self._local)} {address.port}"


class WebSession:
    """One browser at the gateway."""

    def __init__(
        self,
        channel: CommandChannel,
        name: str,
        types: str,
        on_closed: Callable[["WebSession"], None],
    ) -> None:
        """`types` are the payload types that pass."""
        self._types = types
        self.plain_port = 0
        self.facing = WebFacing("", 0, "", "", "", "")
        self._channel = channel
        self._name = name
        self._on_closed = on_closed
        self._is_closed = False

    async def open(self, offer: str, *, advertised: str) -> None:
        """Raises RelayError."""
        reply = await self._request(f"Uc{self._types}", f"0 0 {_BROWSER} {offer}")
        port, *refusals = (part.strip() for part in reply.split("&&"))
        if refusals:
            raise RelayError("the gateway refused the browser's offer")
        self.plain_port = read_port(port)
        asked = f"0 0 {_BROWSER} {_RELAY} && {_DTLS} S && {_ICE} S"
        reply = await self._request(f"Lc{self._types}", asked)
        parts = [part.strip() for part in reply.split("&&")]
        dtls = _DTLS_REPLY.fullmatch(parts[1]) if len(parts) == 3 else None
        ice = _ICE_REPLY.fullmatch(parts[2]) if len(parts) == 3 else None
        if dtls is None or ice is None:
            raise RelayError("the gateway's answer cannot be read")
        self.facing = WebFacing(advertised, read_port(parts[0]), dtls[1], dtls[2], ice[1], ice[2])

    async def point(self, remote: str) -> None:
        """Send the browser's audio there, an address and a port. Raises RelayError."""
        read_port(await self._request(f"Lc{self._types}", f"{remote} {_BROWSER} {_RELAY}"))

    async def count_packets(self) -> int:
        """How many packets of audio have come of the browser so far. Raises RelayError."""
        reply = await self._request("Q", f"{_BROWSER} {_RELAY} rtpa_nrcvd")
        if not reply.isdecimal():
            raise RelayError("the gateway's statistics cannot be read")
        return int(reply)

    async def close(self) -> None:
        """The second time nothing happens."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._request("D", f"{_BROWSER} {_RELAY}")
        except RelayError as error:
            log.info("webrtc.session_not_deleted", error=str(error))
        finally:
            self._on_closed(self)

    def _request(self, command: str, arguments: str) -> asyncio.Future[str]:
        return self._channel.request(f"{command} {self._name} {arguments}")
