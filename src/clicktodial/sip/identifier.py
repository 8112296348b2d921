"""Call-IDs, tags and branches: unguessable, and telling nothing of who made them."""

import random as random_module
import secrets

from clicktodial.sip.message import MAGIC_COOKIE

# One system call serves about eighty calls.
_POOL_BYTES = 4096
_TAG_DIGITS = 16
_CALL_ID_DIGITS = 32
_BRANCH_DIGITS = 20


class IdentifierSource:
    """Draws identifiers from the system's entropy, or for tests from a seeded generator.

    64 bits in a tag are twice what RFC 3261 19.3 asks for; a branch has 80, since only it
    guards a transaction against forged responses.
    """

    __slots__ = ("_pool", "_position", "_random")

    def __init__(self, random: random_module.Random | None = None) -> None:
        self._random = random
        self._pool = ""
        self._position = 0

    def create_tag(self) -> str:
        """A From or To tag."""
        return self._draw(_TAG_DIGITS)

    def create_call_id(self) -> str:
        """A Call-ID without a host name (RFC 3261 8.1.1.4 leaves it out for privacy)."""
        return self._draw(_CALL_ID_DIGITS)

    def create_branch(self) -> str:
        """A branch with RFC 3261's magic cookie."""
        return MAGIC_COOKIE + self._draw(_BRANCH_DIGITS)

    def draw_between(self, low: float, high: float) -> float:
        """A number between the two, all alike."""
        return low + (high - low) * int(self._draw(8), 16) / 0xFFFF_FFFF

    def _draw(self, digits: int) -> str:
        end = self._position + digits
        if end > len(self._pool):
            drawn = (
                secrets.token_bytes(_POOL_BYTES)
                if self._random is None
                else self._random.randbytes(_POOL_BYTES)
            )
            self._pool = drawn.hex()
            self._position, end = 0, digits
        value = self._pool[self._position : end]
        self._position = end
        return value
