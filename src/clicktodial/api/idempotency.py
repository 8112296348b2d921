"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), for every API."""

import hashlib
import re
from collections.abc import Iterable

from clicktodial.api.response import Headers

# A UUID has 36; some put a name before it.
KEY_CHARACTERS_MAX = 255
REPLAYED: Headers = ((b"idempotent-replayed", b"true"),)
_NAME = b"idempotency-key"
# A string of RFC 8941 3.3.3, as the draft has it, or the same without its quotes.
_QUOTED = re.compile(rb'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
_BARE = re.compile(rb"[\x21\x23-\x7e]+")


class KeyMalformed(Exception):
    """Idempotency-Key is given once, with 1 to 255 printable ASCII characters."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def find_key_hash(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The hash of the key; None where there is none. Raises KeyMalformed."""
    found = [value for name, value in headers if name == _NAME]
    if not found:
        return None
    value = found[0].strip(b" \t")
    quoted = _QUOTED.fullmatch(value)
    key = re.sub(rb'\\(["\\])', rb"\1", quoted[1]) if quoted else value
    if len(found) > 1 or len(key) > KEY_CHARACTERS_MAX or not (quoted or _BARE.fullmatch(key)):
        raise KeyMalformed
    return hashlib.sha256(key).hexdigest()


def hash_request(operation: str, body: bytes) -> str:
    """What the request asks for: the same key at another operation is another request."""
    return hashlib.sha256(operation.encode() + b"\0" + body).hexdigest()
