"""Responses to a request: what they repeat of it, and where they go."""

from clicktodial.sip.context import Context
from clicktodial.sip.message import MAGIC_COOKIE, SipMessage, top_via
from clicktodial.sip.uri import Flow, Hop


class ResponseTemplate:
    """All that the responses to one request have in common (RFC 3261 8.2.6.2)."""

    __slots__ = ("_call_id", "_cseq", "_from", "_to", "_vias", "destination", "key")

    def __init__(self, request: SipMessage, source: Hop) -> None:
        """Raises MalformedMessage where the topmost Via says nothing that can be answered."""
        via, others = top_via(request)
        text = via.text
        if via.asks_rport or via.host != source[0]:
            text += f";received={source[0]}"
        if via.asks_rport:
            text += f";rport={source[1]}"
        self._vias = "".join(f"Via: {value}\r\n" for value in (text, *others))
        self._from = request.from_header
        self._to = request.to_header
        self._call_id = request.call_id
        self._cseq = request.get("CSeq")
        # RFC 3261 18.2.2, RFC 3581 4: over the connection that it came by; or to the address that
        # it came from, to its port if asked to.
        self.destination: Hop = source
        if not isinstance(source, Flow) and not via.asks_rport:
            self.destination = (source[0], via.port)
        # RFC 3261 17.2.3: an ACK has its INVITE's key. A branch without the cookie says nothing,
        # so that the rest of the message must identify the request.
        method = "INVITE" if request.method == "ACK" else request.method
        if request.branch.startswith(MAGIC_COOKIE):
            self.key = f"{request.branch} {via.host}:{via.port} {method}"
        else:
            self.key = f"{origin_of(request)} {via.text} {method}"

    def create(
        self,
        context: Context,
        status: int,
        phrase: str,
        *,
        to_tag: str = "",
        lines: str = "",
        sdp: bytes | None = None,
    ) -> bytes:
        """One response. `to_tag` is added where the request has none; `lines` are headers."""
        to = f"{self._to};tag={to_tag}" if to_tag else self._to
        body = b"" if sdp is None else sdp
        kind = "" if sdp is None else "Content-Type: application/sdp\r\n"
        return (
            f"SIP/2.0 {status} {phrase}\r\n{self._vias}From: {self._from}\r\nTo: {to}\r\n"
            f"Call-ID: {self._call_id}\r\nCSeq: {self._cseq}\r\n{lines}{context.server_line}"
            f"{kind}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def origin_of(request: SipMessage) -> str:
    """What a request keeps on every path that it may take (RFC 3261 8.2.2.2)."""
    return f"{request.call_id} {request.from_tag} {request.cseq}"


def dialog_lines(context: Context, request: SipMessage, source: Hop) -> str:
    """Contact and the Record-Route of the request, for responses that make a dialog."""
    routes = "".join(f"Record-Route: {route}\r\n" for route in request.get_values("Record-Route"))
    return f"{routes}{context.local_of(source).contact_line}"
