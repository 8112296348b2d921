"""A sample application server: takes status notifications as an enterprise's server would.

It shows what a receiver has to check (the Basic credential of click-to-dial-v1 3, the signature
in the Standard Webhooks form) and prints what comes, one JSON object a line.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from clicktodial.sandbox.report import Report, Reporter, ReportKind

NOTIFY_PATH = "/clicktodial/v1/clicktodialstatusnotify/{callidentifier}"
# A notification has some 500 bytes.
BODY_BYTES_MAX = 16_384
EVENTS_MAX = 1000
# What the Standard Webhooks specification advises, against replay.
_SIGNATURE_AGE_S_MAX = 300
_SECRET_PREFIX = "whsec_"
_SHUTDOWN_S = 1.0

_SUCCESS = {"code": "0000000", "description": "Success"}
_UNAUTHORIZED = {"code": "0001002", "description": "No authorization to invoke operation"}
_INVALID = {"code": "1001006", "description": "Invalid Input Value"}


class SigningSecretError(ValueError):
    """The signing secret is not base64, with or without `whsec_` before it."""


class Notification(msgspec.Struct, frozen=True, rename={"app_id": "APPID"}):
    """What the platform tells of a call; click-to-dial-v1 4.2, item 2."""

    app_id: str
    caller: str
    callee: str
    status: str


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a notification must bring; None is not checked."""

    app_id: str | None = None
    secret: str | None = None
    signing_secret: str | None = None


class SignatureVerifier:
    """Checks signatures in the Standard Webhooks form (symmetric, `v1`)."""

    def __init__(self, signing_secret: str, now: Callable[[], float] = time.time) -> None:
        """`now` is Unix time. Raises SigningSecretError."""
        try:
            self._key = base64.b64decode(signing_secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error as error:
            raise SigningSecretError from error
        self._now = now

    def is_valid(self, *, message_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
        """Whether one of the space-separated signatures is right and not too old."""
        if not timestamp.isascii() or not timestamp.isdecimal():
            return False
        if abs(self._now() - int(timestamp)) > _SIGNATURE_AGE_S_MAX:
            return False
        signed = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.digest(self._key, signed, hashlib.sha256)
        expected = b"v1," + base64.b64encode(digest)
        # Compared as bytes: compare_digest takes no text beyond ASCII.
        return any(
            hmac.compare_digest(expected, signature.encode()) for signature in signatures.split()
        )


class SampleApp:
    """The server. `start`, then `close`."""

    def __init__(self, *, report: Reporter, expect: Expectations | None = None) -> None:
        """Raises SigningSecretError."""
        self._report = report
        expect = expect or Expectations()
        self._app_id = expect.app_id
        self._authorization: bytes | None = None
        if expect.app_id is not None and expect.secret is not None:
            credential = f"{expect.app_id}:{expect.secret}".encode()
            self._authorization = b"Basic " + base64.b64encode(credential)
        secret = expect.signing_secret
        self._verifier = SignatureVerifier(secret) if secret is not None else None
        self._events: deque[dict[str, object]] = deque(maxlen=EVENTS_MAX)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where HTTP is received. Raises RuntimeError before `start`."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("not started")
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def start(self, host: str, port: int) -> None:
        """Take notifications; port 0 takes any port. Raises OSError."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.add_routes(
            [
                web.post(NOTIFY_PATH, self._take_notification),
                web.get("/events", self._list_events),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take_notification(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._is_authorized(request):
            return self._reject(request, "credential", 401, _UNAUTHORIZED)
        if not self._is_signed(request, body):
            return self._reject(request, "signature", 401, _UNAUTHORIZED)
        try:
            notification = msgspec.json.decode(body, type=Notification)
            fields = msgspec.json.decode(body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._reject(request, "body", 400, _INVALID)
        if self._app_id is not None and notification.app_id != self._app_id:
            return self._reject(request, "APPID", 401, _UNAUTHORIZED)
        event: dict[str, object] = {
            "callidentifier": request.match_info["callidentifier"],
            "webhook_id": request.headers.get("webhook-id"),
            "notification": fields,
        }
        self._events.append(event)
        self._report(Report(ReportKind.NOTIFICATION, event))
        return web.json_response(_SUCCESS)

    def _reject(
        self, request: web.Request, reason: str, status: int, answer: dict[str, str]
    ) -> web.Response:
        call_identifier = request.match_info["callidentifier"]
        self._report(
            Report(
                ReportKind.REJECTED,
                {"callidentifier": call_identifier, "reason": reason, "status": status},
            )
        )
        return web.json_response(answer, status=status)

    def _is_authorized(self, request: web.Request) -> bool:
        if self._authorization is None:
            return True
        given = request.headers.get("Authorization", "").encode(errors="replace")
        return hmac.compare_digest(given, self._authorization)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        if self._verifier is None:
            return True
        headers = request.headers
        return self._verifier.is_valid(
            message_id=headers.get("webhook-id", ""),
            timestamp=headers.get("webhook-timestamp", ""),
            signatures=headers.get("webhook-signature", ""),
            body=body,
        )

    async def _list_events(self, request: web.Request) -> web.Response:
        return web.json_response({"events": list(self._events)})
