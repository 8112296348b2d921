"""Requests to the console without a browser: quick, and with what no browser would send."""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from clicktodial.portal import session_cookie as cookie
from clicktodial.portal.page import BASE_PATH

TIMEOUT_S = 30


@dataclass(frozen=True)
class Answer:
    """What came back. `cookies` are Set-Cookie headers by name."""

    status: int
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Somebody with a session, or a visitor."""

    def __init__(self, origin: str, token: str | None = None) -> None:
        self._host = origin.removeprefix("http://")
        self.cookies = {cookie.VISITOR: "visitor-of-a-test"}
        if token is not None:
            self.cookies[cookie.SESSION] = token

    @property
    def form_token(self) -> str:
        """What its forms are sent with."""
        return cookie.form_token(self.cookies)

    def get(self, path: str, **headers: str) -> Answer:
        """A path below BASE_PATH."""
        return self.ask("GET", BASE_PATH + path, b"", headers)

    def post(
        self,
        path: str,
        fields: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """A form with its token; `token` "" sends none."""
        pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
        given = self.form_token if token is None else token
        if given:
            pairs.append(("form_token", given))
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.ask("POST", BASE_PATH + path, urlencode(pairs).encode(), sent)

    def upload(
        self, path: str, fields: Mapping[str, str], name: str, file_name: str, content: bytes
    ) -> Answer:
        """A form with its token and one file, as browsers send such a form (RFC 7578)."""
        mark = b"--a-boundary-of-tests"
        parts = [
            b'%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
            % (mark, each.encode(), value.encode())
            for each, value in {**fields, "form_token": self.form_token}.items()
        ]
        parts.append(
            b'%b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n%b\r\n%b--\r\n"
            % (mark, name.encode(), file_name.encode(), content, mark)
        )
        sent = {"Content-Type": f"multipart/form-data; boundary={mark[2:].decode()}"}
        return self.ask("POST", BASE_PATH + path, b"".join(parts), sent)

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Any request. Header names have _ in place of -."""
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_S)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body or None, {"Cookie": cookies, **sent})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        set_cookies = {
            value.partition("=")[0]: value
            for name, value in response.getheaders()
            if name.lower() == "set-cookie"
        }
        answered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, answered, set_cookies, content)
