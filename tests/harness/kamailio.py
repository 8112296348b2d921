"""Kamailio as the trunk: a proxy that record-routes, and asks who calls where it is told to.

Its configuration is made for the test: numbers are routed by their last digits to the phones'
addresses, and everything within a dialog follows the Route headers, as a carrier's edge does.
"""

import asyncio
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.harness.address import Address, allocate_host, format_address, free_port
from tests.harness.certificate import Certificate
from tests.harness.process import OwnedProcess

PACKAGE = "kamailio"
# Debian keeps it where a plain user's PATH does not lead.
_SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin"
_START_TIMEOUT_S = 30.0
_POLL_S = 0.02
_REALM = "carrier.example"
_TAIL_DIGITS = 8

_CONFIGURATION = """\
debug=2
log_stderror=yes
fork=yes
children=1
socket_workers=1
auto_aliases=no
listen=udp:{listen}
{stream}
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules:/usr/lib/aarch64-linux-gnu/kamailio/modules"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "xlog.so"
{modules}
modparam("rr", "enable_full_lr", 1)
modparam("auth", "algorithm", "{algorithm}")
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("OPTIONS") && uri==myself) {{ sl_send_reply("200", "OK"); exit; }}
    {register}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{
            {within}
            xlog("L_ALERT", "within a dialog: $rm of $ci\\n");
            t_relay();
            exit;
        }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    {outside}
    if (is_method("INVITE")) {{
        record_route();
        xlog("L_ALERT", "out of a dialog: INVITE of $ci\\n");
    }}
{routes}
    sl_send_reply("404", "Not Found");
}}
"""
_TCP = "tcp_children=1\nlisten=tcp:{listen}"
_TLS = "tcp_children=1\nenable_tls=yes\nlisten=tls:{listen_tls}"
_TLS_PROFILES = """\
[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {certificate}
ca_list = {ca}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {certificate}
ca_list = {ca}
"""
_ASK = """if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
        proxy_challenge("{realm}", "1");
        exit;
    }}
    consume_credentials();"""


_REGISTRAR_MODULES = """loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", {min_expires_s})
modparam("registrar", "min_expires_mode", 1)"""
# Each answer is told in the log, where a test may wait for it.
_REGISTER = """if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{realm}", "{password}", "0")) {{
            www_challenge("{realm}", "1");
            exit;
        }}
        $var(asked) = $hdr(Expires);
        if (!save("location")) {{ exit; }}
        xlog("L_ALERT", "registered $tu $ct for $var(asked) cseq $cs call $ci\\n");
        exit;
    }}"""


class Kamailio:
    """One proxy on a host of its own, in front of `phones`: addresses by number.

    With `tcp` it listens over TCP at the same port, with `tls` (its certificate, and the file of
    whom it trusts) at `tls_address`, and asks who connects for a certificate too. The phones are
    reached over UDP all the same.

    With `password` every INVITE and BYE is asked for credentials of that password, by digests of
    `algorithm` ("MD5" or "SHA-256"). With `min_expires_s` it is a registrar too, which asks for
    that password, and refuses with 423 to remember anyone for less.
    """

    def __init__(
        self,
        directory: Path,
        phones: Mapping[str, Address],
        *,
        password: str = "",
        algorithm: str = "MD5",
        tcp: bool = False,
        tls: tuple[Certificate, str] | None = None,
        min_expires_s: int = 0,
    ) -> None:
        host = allocate_host()
        self.address: Address = (host, free_port(host))
        self.tls_address: Address = (host, free_port(host, socket.SOCK_STREAM))
        self._directory = directory / f"kamailio-{host}"
        self._directory.mkdir()
        ask = _ASK.format(realm=_REALM, password=password)
        self._config = self._directory / "kamailio.cfg"
        self._config.write_text(
            _CONFIGURATION.format(
                listen=format_address(self.address),
                algorithm=algorithm,
                within=f'if (is_method("BYE")) {{ {ask} }}' if password else "",
                outside=ask if password else "",
                stream=self._stream(tcp=tcp, tls=tls),
                modules=self._modules(min_expires_s, tls),
                register=_REGISTER.format(realm=_REALM, password=password) if min_expires_s else "",
                routes="\n".join(_route(number, phone) for number, phone in phones.items()),
            )
        )
        self._process: OwnedProcess | None = None

    def _stream(self, *, tcp: bool, tls: tuple[Certificate, str] | None) -> str:
        if tls is not None:
            return _TLS.format(listen_tls=format_address(self.tls_address))
        return _TCP.format(listen=format_address(self.address)) if tcp else "disable_tcp=yes"

    def _modules(self, min_expires_s: int, tls: tuple[Certificate, str] | None) -> str:
        registrar = _REGISTRAR_MODULES.format(min_expires_s=min_expires_s) if min_expires_s else ""
        return f"{registrar}\n{self._tls_module(tls)}"

    def _tls_module(self, tls: tuple[Certificate, str] | None) -> str:
        if tls is None:
            return ""
        certificate, ca_file = tls
        profiles = self._directory / "tls.cfg"
        profiles.write_text(
            _TLS_PROFILES.format(
                key=certificate.key_file, certificate=certificate.certificate_file, ca=ca_file
            )
        )
        return f'loadmodule "tls.so"\nmodparam("tls", "config", "{profiles}")'

    async def start(self) -> Self:
        """Start it; returns when it answers OPTIONS."""
        kamailio = shutil.which("kamailio", path=_SEARCH_PATH)
        assert kamailio is not None, f"Kamailio is missing: apt-get install {PACKAGE}"
        command = [kamailio, "-DD", "-E", "-f", str(self._config), "-m", "32", "-M", "4"]
        command += ["-Y", str(self._directory), "-P", str(self._directory / "pid")]
        self._process = OwnedProcess(command, log_stem=self._directory / "log")
        async with asyncio.timeout(_START_TIMEOUT_S):
            await self._wait_answering()
        return self

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        assert self._process is not None
        return self._process.errors

    def passed(self, method: str) -> set[str]:
        """The Call-IDs of the requests that it passed on; for INVITE, of those that opened
        something."""
        where = "out of" if method == "INVITE" else "within"
        return set(re.findall(rf"{where} a dialog: {method} of (\S+)", self.log))

    def close(self) -> None:
        """End it and its workers."""
        if self._process is not None:
            self._process.kill_group()

    async def _wait_answering(self) -> None:
        """Ask until there is an answer: before it listens, a datagram is lost without a word."""
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()

        class Asker(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Address) -> None:
                answered.set()

        host = self.address[0]
        transport, _ = await loop.create_datagram_endpoint(Asker, local_addr=(host, 0))
        target = format_address(self.address)
        own = format_address(transport.get_extra_info("sockname")[:2])
        options = (
            f"OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKask;rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:test@{own}>;tag=1\r\nTo: <sip:{target}>\r\n"
            f"Call-ID: ask@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            while not answered.is_set():
                assert self._process is not None
                assert self._process.is_running, self.log[-4000:]
                transport.sendto(options.encode(), self.address)
                await asyncio.sleep(_POLL_S)
        finally:
            transport.close()


def _route(number: str, phone: Address) -> str:
    return (
        f'    if ($rU =~ "{number[-_TAIL_DIGITS:]}$") '
        f'{{ $du = "sip:{format_address(phone)}"; t_relay(); exit; }}'
    )
