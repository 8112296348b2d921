"""How an application shows who it is: by its Secretkey, or by access tokens that are fetched, kept
and renewed."""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec

from clicktodial.client.error import InvalidAnswer
from clicktodial.client.exchange import Alone, Operation, Request, Send
from clicktodial.client.refusal import create_refused

# A token is renewed so long before its end, or a tenth of its life where that is shorter: it must
# still be good when the request arrives.
RENEWAL_S = 60.0
# RFC 6749 5.1 lets a server say nothing of it.
_LIFETIME_S = 300.0
# Kept by no client for longer than a day, whatever the server says.
_LIFETIME_S_MAX = 86_400.0


class Authority(Protocol):
    """What the requests of a client bear."""

    def create_headers(self) -> Operation[Mapping[str, str]]:
        """The headers. Raises Refused, NotAnswered, InvalidAnswer."""

    def discard(self, headers: Mapping[str, str]) -> bool:
        """They were not taken; returns whether others are worth a try."""


class BasicAuthority:
    """click-to-dial-v1 3: appId and Secretkey."""

    def __init__(self, app_id: str, secret: str) -> None:
        self._headers = {"Authorization": encode_basic(app_id, secret)}

    def create_headers(self) -> Operation[Mapping[str, str]]:
        """See Authority."""
        yield from ()  # an operation without steps
        return self._headers

    def discard(self, headers: Mapping[str, str]) -> bool:
        """See Authority."""
        return False


class Proof(Protocol):
    """How a client proves itself at a token endpoint."""

    @property
    def client_id(self) -> str: ...

    def prove(self, audience: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Headers and parameters of one request."""


class ClientSecret:
    """`client_secret_basic`, where the platform takes it."""

    def __init__(self, client_id: str, secret: str) -> None:
        self._client_id = client_id
        self._secret = secret

    @property
    def client_id(self) -> str:
        """The APPID."""
        return self._client_id

    def prove(self, audience: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """See Proof. RFC 6749 2.3.1 has both encoded as in a form."""
        pair = (quote(each, safe="") for each in (self._client_id, self._secret))
        return {"Authorization": encode_basic(*pair)}, {}


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: int | None = None


class TokenAuthority:
    """Access tokens by client credentials (RFC 6749 4.4). One is fetched at a time, and shared."""

    def __init__(
        self,
        proof: Proof,
        *,
        token_url: str,
        audience: str,
        scopes: tuple[str, ...],
        timeout_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`audience` is whom assertions are for: the platform's issuer. Without `scopes`, all are
        asked for that the application may have."""
        self._proof = proof
        self._token_url = token_url
        self._audience = audience
        self._scopes = scopes
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._headers: Mapping[str, str] | None = None
        self._renew_at = 0.0

    def create_headers(self) -> Operation[Mapping[str, str]]:
        """See Authority."""
        if (headers := self._kept()) is not None:
            return headers
        fetched: Mapping[str, str] = yield Alone(self._fetch())
        return fetched

    def discard(self, headers: Mapping[str, str]) -> bool:
        """See Authority. Another may have been fetched meanwhile: that one stays."""
        if self._headers is headers:
            self._headers = None
        return True

    def _kept(self) -> Mapping[str, str] | None:
        return self._headers if self._monotonic_s() < self._renew_at else None

    def _fetch(self) -> Operation[Mapping[str, str]]:
        # Whoever waited for its turn may find it done.
        if (headers := self._kept()) is not None:
            return headers
        asked_at = self._monotonic_s()
        answer = yield Send(self._create_request())
        if answer.status != 200:
            raise create_refused(answer)
        try:
            token = msgspec.json.decode(answer.content, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidAnswer("the answer of the token endpoint is no token") from error
        if token.token_type.lower() != "bearer" or not _is_header_text(token.access_token):
            raise InvalidAnswer("the answer of the token endpoint is no bearer token")
        lifetime_s = _LIFETIME_S if token.expires_in is None else float(token.expires_in)
        lifetime_s = min(lifetime_s, _LIFETIME_S_MAX)
        self._renew_at = asked_at + lifetime_s - min(RENEWAL_S, lifetime_s / 10)
        self._headers = {"Authorization": f"Bearer {token.access_token}"}
        return self._headers

    def _create_request(self) -> Request:
        headers, parameters = self._proof.prove(self._audience)
        form = {"grant_type": "client_credentials", **parameters}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        return Request(
            "POST",
            self._token_url,
            self._timeout_s,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                **headers,
            },
            content=urlencode(form).encode(),
            total_s=self._timeout_s,
        )


def encode_basic(name: str, secret: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _is_header_text(text: str) -> bool:
    return bool(text) and all("!" <= character <= "~" for character in text)
