"""Where a platform is, who asks it, and how patiently: what the operations of both APIs share."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from clicktodial.client.authority import Authority
from clicktodial.client.error import Conflict, InvalidAnswer, Refused
from clicktodial.client.exchange import Answer, Operation, Request
from clicktodial.client.refusal import create_refused
from clicktodial.client.retry import Outcome, RetryPolicy, exchange

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 10.0
# An hour of call is 154 MB of base64, and a platform makes a long one smaller before it answers.
RECORDING_TIMEOUT_S = 60.0
RECORDING_TOTAL_S = 1_800.0
RECORDING_BYTES_MAX = 1_073_741_824
_USER_AGENT = "clicktodial-client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One application at one platform."""

    base_url: str
    authority: Authority
    timeout_s: float
    retries: RetryPolicy

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        is_download: bool = False,
    ) -> Operation[Outcome]:
        """Ask until it is answered, with success or not."""
        content = None if body is None else msgspec.json.encode(body)

        def create(credentials: Mapping[str, str]) -> Request:
            common = {"Accept": "application/json", "User-Agent": _USER_AGENT}
            if content is not None:
                common["Content-Type"] = "application/json"
            request = Request(
                method,
                f"{self.base_url}{path}",
                self.timeout_s,
                headers={**common, **(headers or {}), **credentials},
                content=content,
                total_s=self.timeout_s,
            )
            return _enlarge(request) if is_download else request

        return exchange(create, authority=self.authority, policy=self.retries)


def _enlarge(request: Request) -> Request:
    return Request(
        request.method,
        request.url,
        max(request.timeout_s, RECORDING_TIMEOUT_S),
        headers=request.headers,
        content=request.content,
        total_s=RECORDING_TOTAL_S,
        bytes_max=RECORDING_BYTES_MAX,
    )


def check_base_url(base_url: str) -> str:
    """Without a slash at its end. Raises ValueError."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("base_url must be http://HOST or https://HOST")
    return base_url.rstrip("/")


def quote_segment(text: str) -> str:
    """An identifier as a part of a path. Raises ValueError where it is none."""
    if not text or text in (".", ".."):
        raise ValueError("an identifier is not empty")
    return quote(text, safe="")


def require(answer: Answer, *statuses: int, conflict: type[Refused] = Conflict) -> Answer:
    """The answer, where it has such a status. Raises Refused, InvalidAnswer."""
    if answer.status not in statuses:
        raise create_refused(answer, conflict=conflict)
    return answer


def decode(answer: Answer, kind: type[T]) -> T:
    """Its content. Raises InvalidAnswer."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidAnswer(f"the answer is not what the API tells: {error}") from error


def decode_base64(text: str) -> bytes:
    """Raises InvalidAnswer."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidAnswer("the recording is not base64") from error


def check_key(key: str | None, make: Callable[[], object]) -> str:
    """An Idempotency-Key, made where there is none (docs/idempotency.md). Raises ValueError."""
    if key is None:
        return str(make())
    if not 1 <= len(key) <= 255 or not all("!" <= character <= "~" for character in key):
        raise ValueError("an idempotency key is 1 to 255 printable characters of ASCII")
    if '"' in key or "\\" in key:
        raise ValueError("an idempotency key has neither quotes nor backslashes")
    return key
