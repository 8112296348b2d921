"""Keys under which numbers are kept that nobody is to read out of the database.

A telephone number has few enough digits that a plain hash of it is undone by trying them all, so
the hash has a key, made of the master key: who has the database alone learns nothing.
"""

import base64
import hashlib
import hmac

from clicktodial.storage.secret import SecretVault

_PURPOSE = "number_list"


class NumberKeys:
    """Makes the key of a number. One master key, one key for a number, whatever the process."""

    def __init__(self, vault: SecretVault) -> None:
        self._key = vault.derive_key(_PURPOSE)

    def key_of(self, e164: str) -> str:
        """44 characters; of numbers that were parsed, so that no two spellings differ."""
        digest = hmac.digest(self._key, e164.encode(), hashlib.sha256)
        return base64.b64encode(digest).decode()
