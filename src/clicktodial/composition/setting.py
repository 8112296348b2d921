"""The settings that hold, for people: keys, tokens and passwords hidden."""

from typing import Any

import msgspec

from clicktodial.config import Settings

HIDDEN = "[hidden]"
_SECRET_KEYS = frozenset(
    {"master_key", "token", "password", "mm7_password", "mm7_report_secret", "smpp_password"}
)


def hide_secrets(settings: Settings) -> dict[str, dict[str, Any]]:
    """All tables; keys, tokens and the password of the database hidden."""
    tables: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    for values in tables.values():
        for key in _SECRET_KEYS & values.keys():
            if values[key] is not None:
                values[key] = HIDDEN
    tables["database"]["url"] = _hide_password(settings.database_url)
    return tables


def _hide_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{f':{HIDDEN}' if colon else ''}@{place}"
