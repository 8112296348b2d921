"""What the authorization server refuses, and how: RFC 6749 5.2, RFC 7009 2.2.1."""

from dataclasses import dataclass

import msgspec
import structlog
from litestar import Response

log = structlog.get_logger()

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# RFC 9110 11.6.1: a 401 says how to authenticate. There is no scheme for assertions.
_CHALLENGE = 'Basic realm="clicktodial", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class OauthProblem:
    """A kind of refusal, by the name that its standard has for it."""

    status: int
    code: str


INVALID_REQUEST = OauthProblem(400, "invalid_request")
INVALID_CLIENT = OauthProblem(401, "invalid_client")
UNAUTHORIZED_CLIENT = OauthProblem(400, "unauthorized_client")
UNSUPPORTED_GRANT_TYPE = OauthProblem(400, "unsupported_grant_type")
INVALID_SCOPE = OauthProblem(400, "invalid_scope")
# RFC 6749 has no word for this at a token endpoint; clients know these two from other places.
TOO_MANY_REQUESTS = OauthProblem(429, "temporarily_unavailable")
UNAVAILABLE = OauthProblem(503, "temporarily_unavailable")
BODY_TOO_LONG = OauthProblem(413, "invalid_request")
_NOT_FOUND = OauthProblem(404, "invalid_request")
_METHOD_NOT_ALLOWED = OauthProblem(405, "invalid_request")
# RFC 6749 4.1.2.1 has the word, for the endpoint that is none here.
_SERVER_ERROR = OauthProblem(500, "server_error")
PROBLEMS = (
    INVALID_REQUEST,
    UNSUPPORTED_GRANT_TYPE,
    INVALID_SCOPE,
    UNAUTHORIZED_CLIENT,
    INVALID_CLIENT,
    BODY_TOO_LONG,
    TOO_MANY_REQUESTS,
    _SERVER_ERROR,
    UNAVAILABLE,
)


class OauthRefused(Exception):
    """The request is answered with `problem`. `detail` is for its sender to read: what was wrong,
    and nothing of what would have been right."""

    def __init__(
        self, problem: OauthProblem, detail: str, *, is_last: bool = False, allow: str = ""
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.allow = allow
        self.is_last = is_last

    def render(self) -> Response[bytes]:
        """The answer."""
        headers = dict(_NO_STORE)
        if self.problem.status == 401:
            headers["WWW-Authenticate"] = _CHALLENGE
        if self.problem.status in (429, 503):
            headers["Retry-After"] = "1"
        if self.allow:
            headers["Allow"] = self.allow
        if self.is_last:
            headers["Connection"] = "close"
        body = {"error": self.problem.code, "error_description": str(self)}
        return _render(body, self.problem.status, headers)


def answer_http_error(status: int, headers: dict[str, str], error: Exception) -> Response[bytes]:
    """What is answered below BASE_PATH to an error that comes from outside a handler."""
    if status == _NOT_FOUND.status:
        return OauthRefused(_NOT_FOUND, "there is nothing at that path").render()
    if status == _METHOD_NOT_ALLOWED.status:
        allow = next((each for name, each in headers.items() if name.lower() == "allow"), "")
        refused = OauthRefused(_METHOD_NOT_ALLOWED, "Allow says which methods are", allow=allow)
        return refused.render()
    if status < 500:
        return OauthRefused(INVALID_REQUEST, "the request is none of HTTP").render()
    log.error("api.internal_error", status=status, exc_info=error)
    return OauthRefused(_SERVER_ERROR, "the log says more").render()


def render_answer(body: object, *, max_age_s: int | None = None) -> Response[bytes]:
    """An answer that is kept nowhere, or for so long."""
    headers = _NO_STORE if max_age_s is None else {"Cache-Control": f"public, max-age={max_age_s}"}
    return _render(body, 200, dict(headers))


def _render(body: object, status: int, headers: dict[str, str]) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )
