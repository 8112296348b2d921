"""Digest authentication, the client's side (RFC 3261 22, RFC 7616, RFC 8760).

An authenticator belongs to one dialog. It is shown every 401 and 407, and says whether to try
again; after that its header lines go into each further request of the dialog, so that those are
not refused first. A realm that refuses what it was given, and does not say that only its nonce
was stale, has refused the password: it is not asked again.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from clicktodial.domain.trunk import TrunkCredentials
from clicktodial.sip.identifier import IdentifierSource
from clicktodial.sip.message import SipMessage

UNAUTHORIZED = 401
PROXY_AUTHENTICATION_REQUIRED = 407
# A challenge is some 300 characters; proxies on one path that ask are one or two.
CHALLENGE_CHARACTERS_MAX = 2_048
REALMS_MAX = 4
# First refusal, stale nonces, and a second proxy on the path; more is a server that plays with us.
CHALLENGES_MAX = 6

_SCHEME = re.compile(r"\s*Digest\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')


def _hash_with(name: str) -> Callable[[bytes], str]:
    return lambda data: hashlib.new(name, data).hexdigest()


# RFC 8760 2.1 and RFC 7616 6.1; libraries call the last one's hash by another name.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": _hash_with("md5"),
    "SHA-256": _hash_with("sha256"),
    "SHA-512-256": _hash_with("sha512_256"),
}
_SESSION_SUFFIX = "-SESS"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge that we can answer. Quoted values are kept as they were escaped."""

    is_proxy: bool
    realm: str
    nonce: str
    opaque: str | None
    algorithm: str  # as it was written, to be repeated
    qop: str  # "auth", "auth-int", or "" where none was offered (RFC 2069)
    is_stale: bool

    @property
    def hash_name(self) -> str:
        return self.algorithm.upper().removesuffix(_SESSION_SUFFIX)

    @property
    def is_session(self) -> bool:
        return self.algorithm.upper().endswith(_SESSION_SUFFIX)


@dataclass(slots=True)
class _Realm:
    challenge: Challenge
    nonce_count: int = 0


class DigestAuthenticator:
    """Answers the challenges of one dialog with one name and password."""

    __slots__ = ("_challenges", "_credentials", "_identifiers", "_realms")

    def __init__(self, credentials: TrunkCredentials, identifiers: IdentifierSource) -> None:
        self._credentials = credentials
        self._identifiers = identifiers
        self._realms: dict[tuple[bool, str], _Realm] = {}
        self._challenges = 0

    def accept(self, response: SipMessage) -> bool:
        """Take a 401 or 407; whether the request is worth another try with `header_lines`."""
        self._challenges += 1
        if self._challenges > CHALLENGES_MAX:
            return False
        is_new = False
        for challenge in parse_challenges(response):
            key = (challenge.is_proxy, challenge.realm)
            known = self._realms.get(key)
            if known is not None and not challenge.is_stale:
                return False
            if known is None and len(self._realms) >= REALMS_MAX:
                return False
            self._realms[key] = _Realm(challenge)
            is_new = True
        return is_new

    def header_lines(self, method: str, uri: str, body: bytes = b"") -> str:
        """The Authorization and Proxy-Authorization lines of a request; "" before a challenge."""
        return "".join(
            self._header_line(realm, method, uri, body) for realm in self._realms.values()
        )

    def _header_line(self, realm: _Realm, method: str, uri: str, body: bytes) -> str:
        challenge = realm.challenge
        realm.nonce_count += 1
        nonce_count = f"{realm.nonce_count:08x}"
        cnonce = self._identifiers.create_tag()
        response = compute_response(
            challenge,
            self._credentials,
            method=method,
            uri=uri,
            body=body,
            cnonce=cnonce,
            nonce_count=nonce_count,
        )
        fields = [
            f'username="{_escape(self._credentials.username)}"',
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{_escape(uri)}"',
            f'response="{response}"',
            f"algorithm={challenge.algorithm}",
        ]
        if challenge.qop or challenge.is_session:
            fields.append(f'cnonce="{cnonce}"')
        if challenge.qop:
            fields += [f"qop={challenge.qop}", f"nc={nonce_count}"]
        if challenge.opaque is not None:
            fields.append(f'opaque="{challenge.opaque}"')
        name = "Proxy-Authorization" if challenge.is_proxy else "Authorization"
        return f"{name}: Digest {', '.join(fields)}\r\n"


def compute_response(
    challenge: Challenge,
    credentials: TrunkCredentials,
    *,
    method: str,
    uri: str,
    body: bytes,
    cnonce: str,
    nonce_count: str,
) -> str:
    """The `response` of RFC 7616 3.4.1, lower-case hexadecimal."""
    digest = _HASHES[challenge.hash_name]
    realm, nonce = _unescape(challenge.realm), _unescape(challenge.nonce)
    secret = digest(f"{credentials.username}:{realm}:{credentials.password}".encode())
    if challenge.is_session:
        secret = digest(f"{secret}:{nonce}:{cnonce}".encode())
    what = f"{method}:{uri}"
    if challenge.qop == "auth-int":
        what += f":{digest(body)}"
    hashed = digest(what.encode())
    if not challenge.qop:
        return digest(f"{secret}:{nonce}:{hashed}".encode())
    return digest(f"{secret}:{nonce}:{nonce_count}:{cnonce}:{challenge.qop}:{hashed}".encode())


def parse_challenges(response: SipMessage) -> list[Challenge]:
    """What a 401 or 407 asks for and we can answer: the first challenge of each realm that we
    know the algorithm of, since servers name the one that they prefer first (RFC 8760 2.4)."""
    is_proxy = response.status == PROXY_AUTHENTICATION_REQUIRED
    name = "Proxy-Authenticate" if is_proxy else "WWW-Authenticate"
    chosen: dict[str, Challenge] = {}
    for value in response.get_lines(name):
        challenge = _parse_challenge(value, is_proxy=is_proxy)
        if challenge is not None:
            chosen.setdefault(challenge.realm, challenge)
    return list(chosen.values())


def _parse_challenge(value: str, *, is_proxy: bool) -> Challenge | None:
    scheme = _SCHEME.match(value)
    if scheme is None or len(value) > CHALLENGE_CHARACTERS_MAX or not value.isprintable():
        return None
    parameters = {
        match[1].lower(): match[2] if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(value, scheme.end())
    }
    if "realm" not in parameters or "nonce" not in parameters:
        return None
    qop = _choose_qop(parameters.get("qop"))
    algorithm = parameters.get("algorithm", "MD5")
    if qop is None or algorithm.upper().removesuffix(_SESSION_SUFFIX) not in _HASHES:
        return None
    return Challenge(
        is_proxy=is_proxy,
        realm=parameters["realm"],
        nonce=parameters["nonce"],
        opaque=parameters.get("opaque"),
        algorithm=algorithm,
        qop=qop,
        is_stale=parameters.get("stale", "").lower() == "true",
    )


def _choose_qop(offered: str | None) -> str | None:
    """The protection that we use; None where we know none of those offered."""
    if offered is None:
        return ""
    options = [option.strip().lower() for option in offered.split(",")]
    return next((known for known in ("auth", "auth-int") if known in options), None)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text
