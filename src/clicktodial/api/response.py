"""Writing an answer to ASGI."""

from typing import TypeAlias

from litestar.types import Send

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

JSON_CONTENT_TYPE = b"application/json"


async def start_response(
    send: Send, status: int, *, content_type: bytes, content_length: int, headers: Headers = ()
) -> None:
    """Send the status and the headers of an answer whose length is known."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % content_length),
                *headers,
            ],
        }
    )


async def send_json(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a whole answer; `body` is JSON already."""
    await start_response(
        send,
        status,
        content_type=JSON_CONTENT_TYPE,
        content_length=len(body),
        headers=headers,
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
