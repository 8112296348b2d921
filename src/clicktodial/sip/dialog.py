"""Dialogs of RFC 3261 12: who the parties are, which way requests go, and in which order."""

from clicktodial.sip.context import MAX_FORWARDS, Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import Flow, Hop, bracket_host, hop_of_uri, parse_uri, uri_of


class Dialog:
    """One dialog as one side sees it. Header values are kept as they are written, with tags."""

    __slots__ = (
        "_call_id",
        "_local_header",
        "_next_hop",
        "_remote_cseq",
        "_remote_header",
        "_request_uri",
        "_route_lines",
        "_routes",
        "local_cseq",
        "remote_tag",
    )

    def __init__(
        self, message: SipMessage, routes: list[str], peer: Hop, *, local: str, remote: str
    ) -> None:
        """`routes` is the route set in the order of our requests; `peer` is who sent `message`."""
        self._call_id = message.call_id
        self._local_header = local
        self._remote_header = remote
        self._remote_cseq: int | None = None
        self.local_cseq = 0
        self.remote_tag = ""
        self._routes = routes
        self._request_uri, self._route_lines, self._next_hop = _route(message, routes, peer)

    @classmethod
    def of_response(cls, response: SipMessage, source: Hop) -> "Dialog":
        """The UAC's dialog that a 2xx confirms (RFC 3261 12.1.2)."""
        routes = response.get_values("Record-Route")
        dialog = cls(
            response, routes[::-1], source, local=response.from_header, remote=response.to_header
        )
        dialog.remote_tag = response.to_tag
        dialog.local_cseq = response.cseq
        return dialog

    @classmethod
    def of_request(cls, request: SipMessage, local_tag: str, source: Hop) -> "Dialog":
        """The UAS's dialog that an INVITE opens (RFC 3261 12.1.1)."""
        routes = request.get_values("Record-Route")
        local = f"{request.to_header};tag={local_tag}"
        dialog = cls(request, routes, source, local=local, remote=request.from_header)
        dialog.remote_tag = request.from_tag
        dialog._remote_cseq = request.cseq
        return dialog

    def refresh_target(self, message: SipMessage, peer: Hop) -> None:
        """Take the Contact of a re-INVITE, an UPDATE or their 2xx (RFC 3261 12.2.1.2); the route
        set stays."""
        if message.get("Contact"):
            self._request_uri, self._route_lines, self._next_hop = _route(
                message, self._routes, peer
            )

    def go_on_from(self, early: "Dialog") -> None:
        """Number the requests of either side after those of this fork's early dialog (RFC 3261
        12.2.1.1, 12.2.2): our PRACKs, and the peer's UPDATEs."""
        self.local_cseq = max(self.local_cseq, early.local_cseq)
        self._remote_cseq = early._remote_cseq

    @property
    def next_hop(self) -> Hop:
        """Where our requests go."""
        return self._next_hop

    @property
    def request_uri(self) -> str:
        """The Request-URI of our requests."""
        return self._request_uri

    def accept_cseq(self, cseq: int) -> bool:
        """Take the number of a request from the peer; False where it is out of order (12.2.2)."""
        if self._remote_cseq is not None and cseq < self._remote_cseq:
            return False
        self._remote_cseq = cseq
        return True

    def create_ack(self, context: Context, cseq: int) -> tuple[bytes, Hop]:
        """The ACK of a 2xx (RFC 3261 13.2.2.4), a transaction of its own that is never answered."""
        branch = context.identifiers.create_branch()
        return self._create(context, "ACK", cseq, branch, "")

    def create_request(
        self, context: Context, method: str, branch: str, lines: str = ""
    ) -> tuple[bytes, Hop]:
        """The next request in the dialog, and where it goes; `lines` are further headers."""
        self.local_cseq += 1
        return self._create(context, method, self.local_cseq, branch, lines)

    def create_reinvite(
        self, context: Context, branch: str, lines: str, sdp: bytes
    ) -> tuple[bytes, Hop]:
        """The next request in the dialog, an INVITE with that offer."""
        self.local_cseq += 1
        return self._create(context, "INVITE", self.local_cseq, branch, lines, sdp)

    def create_failure_ack(self, context: Context, response: SipMessage) -> bytes:
        """The ACK of a refused re-INVITE: of the same transaction (RFC 3261 17.1.1.3)."""
        return self._create(context, "ACK", response.cseq, response.branch, "")[0]

    def create_cancel(self, context: Context, branch: str, cseq: int, reason_lines: str) -> bytes:
        """The CANCEL of a re-INVITE, which repeats its head (RFC 3261 9.1)."""
        return self._create(context, "CANCEL", cseq, branch, reason_lines)[0]

    def _create(
        self,
        context: Context,
        method: str,
        cseq: int,
        branch: str,
        lines: str,
        sdp: bytes = b"",
    ) -> tuple[bytes, Hop]:
        message = (
            f"{method} {self._request_uri} SIP/2.0\r\n"
            f"{context.local_of(self._next_hop).via};rport;branch={branch}\r\n"
            f"{self._route_lines}Max-Forwards: {MAX_FORWARDS}\r\n"
            f"From: {self._local_header}\r\nTo: {self._remote_header}\r\n"
            f"Call-ID: {self._call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"{lines}Content-Length: {len(sdp)}\r\n\r\n"
        )
        return message.encode() + sdp, self._next_hop


def _route(message: SipMessage, routes: list[str], peer: Hop) -> tuple[str, str, Hop]:
    """Request-URI, Route lines and next hop of the dialog's requests (RFC 3261 12.2.1.1)."""
    target = _target_of(message, peer)
    if not routes:
        return target, "", hop_of_uri(target, peer)
    first_uri = uri_of(routes[0])
    next_hop = hop_of_uri(first_uri, peer)
    first = parse_uri(first_uri)
    if first is None or first.is_loose_router:
        return target, _join_routes(routes), next_hop
    # A strict router finds itself in the Request-URI, and the target behind the routes.
    return first_uri, _join_routes([*routes[1:], f"<{target}>"]), next_hop


def _join_routes(routes: list[str]) -> str:
    return "".join(f"Route: {route}\r\n" for route in routes)


def _target_of(message: SipMessage, peer: Hop) -> str:
    """The remote target: the Contact, or where the message came from if there is none to use."""
    contacts = message.get_values("Contact")
    if contacts:
        uri = uri_of(contacts[0])
        if parse_uri(uri) is not None:
            return uri
    parameter = f";transport={peer.transport}" if isinstance(peer, Flow) else ""
    return f"sip:{bracket_host(peer[0])}:{peer[1]}{parameter}"
