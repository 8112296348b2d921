"""Requests that we send outside of any dialog and that open none: OPTIONS and REGISTER.

One request is one or more transactions (RFC 3261 17.1.2): a 401 or 407 is answered with the
credentials, if there are any, and only what comes after that is the outcome.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.auth import (
    PROXY_AUTHENTICATION_REQUIRED,
    UNAUTHORIZED,
    DigestAuthenticator,
)
from clicktodial.sip.client_transaction import ClientNonInviteTransaction
from clicktodial.sip.context import MAX_FORWARDS, Context
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import Hop


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A request to send. `headers` are added as given.

    `next_hop` is where the message goes, whatever `request_uri` says. `from_uri` "" is our own
    address; `contact_user` is the user part of the Contact, "" for none. `call_id` "" is a new
    one; REGISTERs repeat theirs, each with a higher `cseq` (RFC 3261 10.2).
    """

    method: str
    request_uri: str
    to_uri: str
    next_hop: Hop
    from_uri: str = ""
    contact_user: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    credentials: TrunkCredentials | None = None
    call_id: str = ""
    cseq: int = 1

    def check(self) -> None:
        """Raises ValueError where a value would end its line and begin another."""
        values = (self.method, self.request_uri, self.to_uri, self.from_uri, self.contact_user)
        text = "".join(values) + self.call_id + "".join(map("".join, self.headers))
        if "\r" in text or "\n" in text:
            raise ValueError("line end in a request")


class ClientRequest:
    """A request under way. `cseq` is the last one used, after a challenge a higher one."""

    __slots__ = (
        "_authenticator",
        "_context",
        "_from_header",
        "_local",
        "_outcomes",
        "_request",
        "call_id",
        "contact_uri",
        "cseq",
    )

    def __init__(
        self, context: Context, request: PlainRequest, outcomes: list["RequestOutcome"]
    ) -> None:
        """`outcomes` takes what comes of it, once. Nothing is sent before `send`."""
        identifiers = context.identifiers
        self._context = context
        self._request = request
        self._outcomes = outcomes
        self._authenticator: DigestAuthenticator | None = None
        if request.credentials is not None:
            self._authenticator = DigestAuthenticator(request.credentials, identifiers)
        self._local = context.local_of(request.next_hop)
        from_uri = request.from_uri or f"sip:{self._local.address}"
        self._from_header = f"<{from_uri}>;tag={identifiers.create_tag()}"
        user = f"{request.contact_user}@" if request.contact_user else ""
        self.contact_uri = f"sip:{user}{self._local.address}"
        self.call_id = request.call_id or identifiers.create_call_id()
        self.cseq = request.cseq

    def send(self, now: float) -> None:
        """Queue the request, with what the authenticator has to say."""
        context, request = self._context, self._request
        branch = context.identifiers.create_branch()
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
        if self._authenticator is not None:
            lines += self._authenticator.header_lines(request.method, request.request_uri)
        data = (
            f"{request.method} {request.request_uri} SIP/2.0\r\n"
            f"{self._local.via};rport;branch={branch}\r\n"
            f"Max-Forwards: {MAX_FORWARDS}\r\n"
            f"From: {self._from_header}\r\nTo: <{request.to_uri}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {request.method}\r\n"
            f"Contact: <{self.contact_uri}>\r\n{context.agent_line}{lines}"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        key = f"{branch} {request.method}"
        ClientNonInviteTransaction(context, key, data, request.next_hop, self, now)

    def refuse(self) -> None:
        """There is no room for it: nothing is sent, and nobody answers."""
        self._outcomes.append((self, None))

    def on_request_end(self, response: SipMessage | None, now: float) -> None:
        """The final response, or the end of the wait for one (64*T1)."""
        if response is not None and self._accepts_challenge(response):
            self.cseq += 1  # RFC 3261 22.2
            self.send(now)
        else:
            self._outcomes.append((self, response))

    def _accepts_challenge(self, response: SipMessage) -> bool:
        return (
            response.status in (UNAUTHORIZED, PROXY_AUTHENTICATION_REQUIRED)
            and self._authenticator is not None
            and self._authenticator.accept(response)
        )


# None: nobody answered, or there was no room to ask.
RequestOutcome: TypeAlias = tuple[ClientRequest, SipMessage | None]
