"""A client of the running server's HTTP APIs, with an application's own credential."""

import base64
import binascii
import http.client
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import Address

if TYPE_CHECKING:
    from clicktodial.config import Settings
    from clicktodial.domain.application import Application

BASE_PATH = "/clicktodial/v1"
MANAGEMENT_PATH = "/management/v1"
TIMEOUT_S = 30
# An answer that is not a recording is far smaller.
ANSWER_BYTES_MAX = 65_536
# Divisible by four, so that whole groups of base64 are decoded as they come.
PIECE_BYTES = 4 * 16_384
_FILEDATA = re.compile(rb'"filedata"\s*:\s*"')
_HEAD_BYTES_MAX = 4_096
# Where a server that listens everywhere is found from the same machine.
_LOCAL_BY_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def server_address(settings: "Settings", url: str | None) -> Address:
    """Where the server is: the URL given, or what the settings say. Raises CommandError."""
    if url is not None:
        return _address_of_url(url)
    if settings.http.port == 0:
        raise CommandError("http.port is 0, so the server's port is not known here: give --url")
    host = settings.http.host
    return Address(_LOCAL_BY_WILDCARD.get(host, host), settings.http.port)


def _address_of_url(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise CommandError(f"{url!r} is not http://HOST:PORT") from error
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
        raise CommandError(f"{url!r} is not http://HOST:PORT")
    return Address(parts.hostname, port)


class Client:
    """Requests of one application. All methods raise CommandError."""

    def __init__(self, address: Address, application: "Application") -> None:
        self._address = address
        self._application = application

    def begin(self, body: dict[str, object]) -> str:
        """Ask for a call; returns its callidentifier."""
        with self._post_v1("clicktodialbegin", body) as response:
            answer = _decode(response.read(ANSWER_BYTES_MAX))
        result = answer.get("result")
        call_id = result.get("callidentifier") if isinstance(result, dict) else None
        if not isinstance(call_id, str):
            raise CommandError("the server's answer holds no callidentifier", kind="HttpError")
        return call_id

    @contextmanager
    def download(self, call_id: str, recording_id: str) -> Generator[Iterator[bytes]]:
        """The recording, piece by piece."""
        operation = f"recordingdownload/{call_id}"
        with self._post_v1(operation, {"recordingId": recording_id}) as response:
            yield _decode_filedata(response)

    def forecast(self, body: dict[str, object]) -> dict[str, Any]:
        """What would become of a call."""
        with self._post(f"{MANAGEMENT_PATH}/calls/forecast", body) as response:
            return _decode(response.read(ANSWER_BYTES_MAX))

    def command(self, call_id: str, verb: str, body: dict[str, object]) -> None:
        """Do something with a call that lives: `release`, `mute` ..."""
        with self._post(f"{MANAGEMENT_PATH}/calls/{call_id}/{verb}", body):
            pass

    @contextmanager
    def _post_v1(
        self, operation: str, body: dict[str, object]
    ) -> Generator[http.client.HTTPResponse]:
        whole = {"APPID": self._application.app_id, **body}
        with self._post(f"{BASE_PATH}/{operation}", whole) as response:
            yield response

    @contextmanager
    def _post(self, path: str, body: dict[str, object]) -> Generator[http.client.HTTPResponse]:
        application = self._application
        credential = f"{application.app_id}:{application.secret}".encode()
        headers = {
            "Authorization": f"Basic {base64.b64encode(credential).decode()}",
            "Content-Type": "application/json",
        }
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", path, msgspec.json.encode(body), headers)
            # Closed by itself: the socket lives on in an answer that was not read to its end.
            with connection.getresponse() as response:
                if response.status not in (http.client.OK, http.client.NO_CONTENT):
                    raise _refusal(response)
                yield response
        except ConnectionRefusedError as error:
            message = f"no server answers at {self._address}: start it with `clicktodial serve`"
            raise CommandError(message, kind="HttpError") from error
        except (OSError, http.client.HTTPException) as error:
            message = (
                f"the server at {self._address} did not answer: {error or type(error).__name__}"
            )
            raise CommandError(message, kind="HttpError") from error
        finally:
            connection.close()


def _refusal(response: http.client.HTTPResponse) -> CommandError:
    answer = _decode(response.read(ANSWER_BYTES_MAX))
    # The words of v1, or those of problem details (RFC 9457).
    words = answer.get("description") or answer.get("detail") or ""
    told = f"{answer.get('code', '')} {words}".strip()
    return CommandError(f"the server refused: {response.status} {told}".strip(), kind="HttpError")


def _decode(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = "the server's answer is no JSON object: is it another program's port?"
        raise CommandError(message, kind="HttpError") from error


def _decode_filedata(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The bytes of `filedata`, in constant memory: the answer is never held whole."""
    waiting = b""
    while (start := _FILEDATA.search(waiting)) is None:
        piece = response.read(_HEAD_BYTES_MAX)
        if not piece or len(waiting) > _HEAD_BYTES_MAX:
            raise CommandError("the server's answer holds no filedata", kind="HttpError")
        waiting += piece
    waiting = waiting[start.end() :]
    while (end := waiting.find(b'"')) < 0:
        whole = len(waiting) // 4 * 4
        yield _decode_base64(waiting[:whole])
        piece = response.read(PIECE_BYTES)
        if not piece:
            raise CommandError("the recording ended before its end", kind="HttpError")
        waiting = waiting[whole:] + piece
    yield _decode_base64(waiting[:end])


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CommandError("the recording is no base64", kind="HttpError") from error
