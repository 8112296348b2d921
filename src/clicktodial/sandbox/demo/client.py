"""The API as an application uses it: click-to-dial-v1 over HTTP."""

import base64
import binascii
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from clicktodial.sandbox.demo.error import PlatformError

_SUCCESS = "0000000"
_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Credential:
    """What an application is known by."""

    app_id: str
    secret: str

    @property
    def basic(self) -> str:
        """The value of the Authorization header."""
        pair = f"{self.app_id}:{self.secret}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class ApiClient:
    """Posts to the platform. Every method raises PlatformError for any answer but success."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, credential: Credential):
        self._session = session
        self._base_url = base_url
        self._credential = credential

    async def begin(self, body: Mapping[str, object]) -> str:
        """Ask for a call; returns its callidentifier."""
        answer = await self._post("clicktodialbegin", body)
        result = answer.get("result")
        call_id = result.get("callidentifier") if isinstance(result, dict) else None
        if not isinstance(call_id, str) or not call_id.isalnum():
            raise PlatformError("the answer to begin has no callidentifier")
        return call_id

    async def release(self, call_id: str) -> None:
        """End a call."""
        body = {"APPID": self._credential.app_id, "operation": "EndCall"}
        await self._post(f"clicktodialrelease/{call_id}", body)

    async def download(self, call_id: str, recording_id: str) -> bytes:
        """The bytes of a recording's file."""
        body = {"APPID": self._credential.app_id, "recordingId": recording_id}
        answer = await self._post(f"recordingdownload/{call_id}", body)
        try:
            return base64.b64decode(str(answer.get("filedata", "")), validate=True)
        except binascii.Error as error:
            raise PlatformError("filedata is not base64") from error

    async def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        try:
            async with self._session.post(
                f"{self._base_url}/clicktodial/v1/{path}",
                json=body,
                headers={"Authorization": self._credential.basic},
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            ) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise PlatformError(f"{path}: {error or 'no answer in time'}") from error
        if response.status != 200 or not isinstance(answer, dict) or answer.get("code") != _SUCCESS:
            raise PlatformError(f"{path} was answered with {response.status} {answer}")
        return answer


def format_curl(base_url: str, credential: Credential, body: Mapping[str, object]) -> str:
    """The specification's own command (click-to-dial-v1 4.6), ready to be pasted."""
    return " \\\n  ".join(
        [
            f"curl -X POST {base_url}/clicktodial/v1/clicktodialbegin",
            "-H 'accept: application/json' -H 'Content-Type: application/json'",
            f"-H {shlex.quote(f'Authorization: {credential.basic}')}",
            f"-d {shlex.quote(json.dumps(body))}",
        ]
    )
