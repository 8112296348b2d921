"""What the processes told, in the order in which it came."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from clicktodial.sandbox.demo.error import MissedError

# A call is told in some forty lines; what runs on after the demonstration pushes the oldest out.
ENTRIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: from whom, when, what, and its other fields."""

    source: str
    at: datetime
    event: str
    fields: Mapping[str, Any]


Listener: TypeAlias = Callable[[Entry], None]


class Journal:
    """Keeps entries, tells listeners of them, and lets others wait for one."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._listeners: list[Listener] = []
        self._changed = asyncio.Event()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that are kept."""
        return tuple(self._entries)

    def listen(self, listener: Listener) -> None:
        """Call with every entry from now on."""
        self._listeners.append(listener)

    def add(self, entry: Entry) -> None:
        """Keep an entry."""
        self._entries.append(entry)
        for listener in self._listeners:
            listener(entry)
        self._changed.set()

    def select(self, event: str, **fields: object) -> list[Entry]:
        """The entries of that event with those fields."""
        return [entry for entry in self._entries if _matches(entry, event, fields)]

    async def wait_for(self, event: str, *, timeout_s: float, **fields: object) -> Entry:
        """The first such entry, of now or later. Raises MissedError."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := self.select(event, **fields)):
                    self._changed.clear()
                    await self._changed.wait()
                return found[0]
        except TimeoutError as error:
            wanted = ", ".join([event, *(f"{key} {value}" for key, value in fields.items())])
            raise MissedError(f"within {timeout_s:g} s there was no: {wanted}") from error


def read_entry(source: str, line: bytes) -> Entry | None:
    """The entry in a line of JSON, or None for any other line."""
    try:
        fields = msgspec.json.decode(line, type=dict[str, Any])
        at = datetime.fromisoformat(str(fields.pop("time")))
        event = str(fields.pop("event"))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
        return None
    return Entry(source, at.astimezone(UTC), event, fields)


def _matches(entry: Entry, event: str, fields: Mapping[str, object]) -> bool:
    if entry.event != event:
        return False
    return all(_find(entry.fields, key) == value for key, value in fields.items())


def _find(fields: Mapping[str, Any], key: str) -> object:
    """A field, or one of the notification that the fields hold."""
    if key in fields:
        return fields[key]
    notification = fields.get("notification")
    return notification.get(key) if isinstance(notification, dict) else None
