"""An application that uses the v1 API, and the calls that it began."""

import base64
import time
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from tests.harness.address import Address, format_address
from tests.harness.platform import Platform
from tests.harness.sink import EVENT_TIMEOUT_S, Delivery, Sink, basic_credential

APP_ID = "12345678"
SECRET = "correct-horse-battery-staple"
SPONSOR = "01052680000"
CALLER = "8613912345673"
CALLEE = "8613810268653"
_REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Application:
    """A registered application: its credential, its sink, its HTTP connections."""

    def __init__(
        self, platform: Platform, sink: Sink, *, app_id: str = APP_ID, secret: str = SECRET
    ) -> None:
        self.platform = platform
        self.sink = sink
        self.app_id = app_id
        self.secret = secret
        self.registration: dict[str, Any] = {}
        self._http: aiohttp.ClientSession | None = None

    def register(self) -> Self:
        """Create it with the command line."""
        self.registration = self.platform.run_command(
            "app",
            "create",
            "--app-id",
            self.app_id,
            "--secret",
            self.secret,
            "--sponsor",
            SPONSOR,
            "--notify-url",
            self.sink.url,
            "--allow-private-addresses",
        )
        return self

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def post(
        self,
        operation: str,
        body: dict[str, Any] | bytes,
        *,
        authorization: str | None = None,
        address: Address | None = None,
    ) -> Answer:
        """POST to `/clicktodial/v1/<operation>`; `authorization` "" sends none."""
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
            self._http = aiohttp.ClientSession(timeout=timeout)
        if authorization is None:
            authorization = basic_credential(self.app_id, self.secret)
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        host = format_address(address or self.platform.http)
        url = f"http://{host}/clicktodial/v1/{operation}"
        async with self._http.post(url, headers=headers, **content) as response:
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.json(content_type=None),
            )

    async def begin(
        self, *, caller: str = CALLER, callee: str = CALLEE, **optional: Any
    ) -> "PlacedCall":
        """The request of click-to-dial-v1 4.6, which must succeed."""
        body = {"APPID": self.app_id, "sponsor": SPONSOR, "caller": caller, "callee": callee}
        began_at = time.monotonic()
        answer = await self.post("clicktodialbegin", body | optional)
        assert answer.status == 200, answer
        assert answer.body["code"] == "0000000", answer
        return PlacedCall(self, answer.body["result"]["callidentifier"], began_at)


class PlacedCall:
    """One call as the application sees it."""

    def __init__(self, application: Application, call_id: str, began_at: float) -> None:
        self.application = application
        self.call_id = call_id
        self._began_at = began_at

    async def release(self, operation: str = "EndCall") -> Answer:
        """The release operation, whatever it answers."""
        body = {"APPID": self.application.app_id, "operation": operation}
        return await self.application.post(f"clicktodialrelease/{self.call_id}", body)

    async def download(self, recording_id: str) -> bytes:
        """The recording's file, which must be there."""
        body = {"APPID": self.application.app_id, "recordingId": recording_id}
        answer = await self.application.post(f"recordingdownload/{self.call_id}", body)
        assert answer.status == 200, answer
        return base64.b64decode(answer.body["filedata"], validate=True)

    @property
    def deliveries(self) -> list[Delivery]:
        return self.application.sink.of_call(self.call_id)

    @property
    def statuses(self) -> list[str]:
        return [delivery.status for delivery in self.deliveries]

    @property
    def took_s(self) -> float:
        """From the request to the arrival of what was told last: no call lasted longer, however
        late a busy machine was with each step of it."""
        return self.deliveries[-1].at - self._began_at

    async def wait_for(self, status: str, timeout_s: float = EVENT_TIMEOUT_S) -> Delivery:
        """The notification of that status."""
        return await self.application.sink.wait_for(self.call_id, status, timeout_s)

    async def wait_for_end(self, timeout_s: float = EVENT_TIMEOUT_S) -> dict[str, Any]:
        """The fields of the one Disconnected."""
        return (await self.application.sink.wait_for_end(self.call_id, timeout_s)).fields
