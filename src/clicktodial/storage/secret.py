"""Secrets as they are stored: AES-GCM, bound to the row and column that they belong to.

A sealed secret is: format (1 byte), key identifier (4), nonce (12), ciphertext and tag. The
table, the column and the row's key are authenticated with it, so that one row's secret, copied
into another row, does not open there.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clicktodial.config import Settings
from clicktodial.storage.error import MasterKeyInvalid, SecretUnreadable

log = structlog.get_logger()

KEY_BYTES = 32
KEY_FILE_NAME = "master.key"
_FORMAT = b"\x01"
_KEY_ID_BYTES = 4
# NIST SP 800-38D 8.2.2: random nonces of 96 bits are safe for 2**32 secrets under one key.
_NONCE_BYTES = 12
_HEADER_BYTES = len(_FORMAT) + _KEY_ID_BYTES + _NONCE_BYTES
_KEY_FILE_BYTES_MAX = 1024


class SecretVault:
    """Seals and opens secrets with one master key."""

    def __init__(self, master_key: bytes) -> None:
        """Raises MasterKeyInvalid unless the key has KEY_BYTES."""
        if len(master_key) != KEY_BYTES:
            raise MasterKeyInvalid
        self._cipher = AESGCM(master_key)
        self._key_id = hashlib.sha256(master_key).digest()[:_KEY_ID_BYTES]
        self._derivation = hmac.new(master_key, digestmod=hashlib.sha256)

    def derive_key(self, purpose: str) -> bytes:
        """A key of KEY_BYTES for that purpose alone: it tells nothing of the master key, nor of
        one for another purpose (HKDF's expand step, RFC 5869 2.3, of a single block)."""
        derivation = self._derivation.copy()
        derivation.update(purpose.encode() + b"\x01")
        return derivation.digest()

    def seal(self, secret: bytes, place: str) -> bytes:
        """Encrypt; `place` names the table, column and row where it will stand."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret, place.encode())
        return _FORMAT + self._key_id + nonce + sealed

    def open(self, sealed: bytes, place: str) -> bytes:
        """The inverse of `seal`. Raises SecretUnreadable."""
        if sealed[:1] != _FORMAT:
            raise SecretUnreadable("a stored secret is of an unknown form")
        if sealed[1 : 1 + _KEY_ID_BYTES] != self._key_id:
            raise SecretUnreadable("a stored secret was encrypted with another master key")
        nonce = sealed[1 + _KEY_ID_BYTES : _HEADER_BYTES]
        try:
            return self._cipher.decrypt(nonce, sealed[_HEADER_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable from error


def secret_place(app_id: str) -> str:
    """Where an application's secret stands."""
    return f"application/secret/{app_id}"


def old_secret_place(app_id: str) -> str:
    """Where the secret of before the last rotation stands."""
    return f"application/old_secret/{app_id}"


def trunk_password_place(name: str) -> str:
    """Where a trunk's password stands."""
    return f"trunk.password:{name}"


def sink_token_place(call_id: str) -> str:
    """Where the access token for the sink of a call stands."""
    return f"call_sink/token/{call_id}"


def signing_secret_place(app_id: str) -> str:
    """Where an application's signing secret stands."""
    return f"application/signing_secret/{app_id}"


def token_key_place(kid: str) -> str:
    """Where the private key that signs access tokens stands."""
    return f"oauth_key/private/{kid}"


def load_master_key(settings: Settings) -> bytes:
    """The key of the settings, or of the key file, which is made when it is missing.

    Raises MasterKeyInvalid.
    """
    security = settings.security
    if security.master_key is not None:
        return _decode_key(security.master_key, "security.master_key")
    path = Path(security.key_file) if security.key_file else settings.data_dir / KEY_FILE_NAME
    try:
        if not path.exists():
            _create_key_file(path)
        return _read_key_file(path)
    except OSError as error:
        raise MasterKeyInvalid(f"{path}: {error.strerror}") from error


def _read_key_file(path: Path) -> bytes:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            log.warning("master_key.readable_by_others", path=str(path))
        text = file.read(_KEY_FILE_BYTES_MAX)
    return _decode_key(text.decode("ascii", "replace"), str(path))


def _create_key_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made complete under another name: a process that starts at the same time sees all or none.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        log.info("master_key.created", path=str(path))
    except FileExistsError:
        pass  # the other process was quicker, and its key holds
    finally:
        draft.unlink()


def _decode_key(text: str, origin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MasterKeyInvalid(f"{origin} is not base64") from error
    if len(key) != KEY_BYTES:
        raise MasterKeyInvalid(f"{origin} must be base64 of {KEY_BYTES} bytes")
    return key
