"""Bodies are read to their end, or to a bound, or not at all."""

from typing import Any

import pytest

from clicktodial.web.request import (
    DISCARDED_BYTES_MAX,
    BodyTooLong,
    ClientDisconnected,
    find_header,
    read_body,
)


class Source:
    """An ASGI receive channel that says these chunks, then that the client is gone."""

    def __init__(self, *chunks: bytes, is_whole: bool = True) -> None:
        self.messages: list[Any] = [
            {
                "type": "http.request",
                "body": chunk,
                "more_body": not is_whole or index + 1 < len(chunks),
            }
            for index, chunk in enumerate(chunks)
        ]

    async def receive(self) -> Any:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


@pytest.mark.parametrize("chunks", [[b""], [b"abcd"], [b"ab", b"cd"], [b"", b"abcd", b""]])
async def test_body_within_the_limit_is_read_whole(chunks: list[bytes]) -> None:
    assert await read_body(Source(*chunks).receive, 4) == b"".join(chunks)


@pytest.mark.parametrize("chunks", [[b"abcde"], [b"abcd", b"e"], [b"abcd", b"e", b"f", b""]])
async def test_body_over_the_limit_is_drained(chunks: list[bytes]) -> None:
    source = Source(*chunks)
    with pytest.raises(BodyTooLong) as error:
        await read_body(source.receive, 4)
    assert error.value.is_drained
    assert source.messages == []


async def test_body_far_over_the_limit_is_left_where_it_is() -> None:
    chunk = b" " * 65_536
    source = Source(*[chunk] * 100)
    with pytest.raises(BodyTooLong) as error:
        await read_body(source.receive, 4)
    assert not error.value.is_drained
    assert len(source.messages) == 100 - 1 - DISCARDED_BYTES_MAX // len(chunk)


@pytest.mark.parametrize("limit", [4, 100])
async def test_client_that_leaves_in_its_body_is_told_apart(limit: int) -> None:
    with pytest.raises(ClientDisconnected):
        await read_body(Source(b"abcde", is_whole=False).receive, limit)


def test_header_given_twice_is_not_found() -> None:
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    assert find_header(headers, b"a") is None
    assert find_header(headers, b"b") == b"2"
    assert find_header(headers, b"c") is None
