"""From an answer that is no success to the error that is raised: of v1, CAMARA, OAuth and of
problem details (RFC 9457)."""

import msgspec

from clicktodial.client.error import (
    CallHasEnded,
    Conflict,
    InvalidAnswer,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
)
from clicktodial.client.exchange import Answer, read_retry_after

_BY_STATUS: dict[int, type[Refused]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: LimitReached,
}
# v1 answers these with 400 (docs/api-v1.md).
_BY_V1_CODE: dict[str, type[Refused]] = {
    "1001002": NotFound,
    "1001003": CallHasEnded,
    "1001005": NotFound,
}
# Of what a server says no more is shown than a person reads.
_TEXT_CHARACTERS_MAX = 500


class _Body(msgspec.Struct, frozen=True):
    """All forms in one: each API names what it tells in its own way."""

    code: str = ""
    error: str = ""
    description: str = ""
    message: str = ""
    detail: str = ""
    error_description: str = ""
    title: str = ""


def create_refused(answer: Answer, *, conflict: type[Refused] = Conflict) -> Refused:
    """The error for an answer with a status of 400 and up; `conflict` is what a 409 says there.
    Raises InvalidAnswer for any other status."""
    if answer.status < 400:
        raise InvalidAnswer(f"the platform answered {answer.status}, which this API does not")
    try:
        body = msgspec.json.decode(answer.content, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = _Body()  # of a proxy, perhaps: the status tells enough
    kind = conflict if answer.status == 409 else _BY_STATUS.get(answer.status)
    if kind is None:
        kind = Unavailable if answer.status >= 500 else InvalidRequest
    if answer.status == 400:
        kind = _BY_V1_CODE.get(body.code, kind)
    told = body.description or body.message or body.detail or body.error_description or body.title
    return kind(
        status=answer.status,
        code=(body.code or body.error)[:_TEXT_CHARACTERS_MAX],
        message=told[:_TEXT_CHARACTERS_MAX] or "the answer says no more",
        correlator=answer.headers.get("x-correlator"),
        retry_after_s=read_retry_after(answer),
    )
