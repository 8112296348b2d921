"""Tokens that prove something by being known: 256 random bits, stored as their hash alone. They
cannot be guessed, so a plain hash is enough, and looking one up takes the same time for all."""

import hashlib
import secrets

TOKEN_BYTES = 32
# 43 in base64, and a prefix. Longer is not one of ours.
TOKEN_CHARACTERS_MAX = 64


def create_token(prefix: str = "") -> str:
    """A new one."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> str:
    """What is stored of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
