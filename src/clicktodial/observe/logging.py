"""Logs: structlog, and the standard library's loggers through the same chain, to one stream.

Each line is an event with keys and values. Code logs no secrets and masks numbers; `redact` is
the last line of defence behind that, for a library's message or a traceback that quotes one.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from clicktodial.config import LogSettings
from clicktodial.domain.number import mask_number

HIDDEN = "[hidden]"
# A peer's text can be as long as its message; a line of a log need not be.
VALUE_CHARACTERS_MAX = 2_000
TRACEBACK_CHARACTERS_MAX = 16_000
# Deeper than anything we log; what lies below is told as text.
_DEPTH_MAX = 3

_SECRET_KEY = re.compile(
    r"secret|authorization|password|credential|token|master_key", re.IGNORECASE
)
# Digits that stand alone, as many as a number with an area code has. Identifiers in hexadecimal,
# which may hold as many in a row, are longer or have letters beside them.
_NUMBER_DIGITS_MIN = 8
_NUMBER = re.compile(r"(?<![0-9A-Za-z])\+?[0-9]{8,15}(?![0-9A-Za-z])")
# RFC 4568 9.2: a key of SRTP, which a peer's SDP may bring into any text.
_MEDIA_KEY = re.compile(r"inline:[A-Za-z0-9+/]{16,}={0,2}")
# Identifiers may look like numbers; the specification's own APPID does.
_IDENTIFIER_KEYS = frozenset(
    {"app_id", "call_id", "enterprise_id", "node_id", "recording_id", "timestamp"}
)
_HARMLESS = frozenset({int, float, bool, type(None)})
_TRACEBACK_KEYS = frozenset({"exception", "stack"})
# A line for each request, statement or step of a start would drown the events, and quote paths.
_QUIET_LOGGERS = (
    "aiohttp.access", "alembic", "asyncio", "sqlalchemy", "uvicorn.access", "uvicorn.error",
)  # fmt: skip


def configure_logging(
    settings: LogSettings, stream: TextIO | None = None, *, is_final: bool = False
) -> None:
    """Send all logs of this process to the stream (default: standard error), redacted.

    `is_final`: for as long as it lives. Each logger is then made once instead of for each line.
    """
    stream = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    renderer = create_renderer(settings.format, colors=stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=is_final,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def create_renderer(format_name: str, *, colors: bool) -> Processor:
    """The last link of the chain: one line of JSON, or one for people."""
    if format_name == "json":
        return _render_json
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def redact(_: WrappedLogger, __: str, event: EventDict) -> MutableMapping[str, Any]:
    """Hide secrets by their keys and numbers by their looks; bound and clean all text."""
    for key, value in event.items():
        if type(value) in _HARMLESS:
            continue
        if _is_secret(key):
            event[key] = HIDDEN
        elif type(value) is str and len(value) < _NUMBER_DIGITS_MIN and value.isprintable():
            continue
        elif key in _TRACEBACK_KEYS:
            event[key] = _mask(str(value)[-TRACEBACK_CHARACTERS_MAX:])
        elif key not in _IDENTIFIER_KEYS:
            event[key] = _redact_value(value, _DEPTH_MAX)
        elif not str(value).isprintable():
            event[key] = _clean(str(value))
    return event


# The keys of our own events are few; a library's may be many, so the memory is bounded.
@lru_cache(maxsize=512)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _redact_value(value: Any, depth: int) -> Any:
    if type(value) in _HARMLESS:
        return value
    if depth and isinstance(value, dict):
        return {
            str(key): HIDDEN if _is_secret(str(key)) else _redact_value(inner, depth - 1)
            for key, inner in value.items()
        }
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(inner, depth - 1) for inner in value]
    if isinstance(value, bytes):
        value = value[:VALUE_CHARACTERS_MAX].decode("utf-8", "backslashreplace")
    return _clean(str(value))


def _clean(text: str) -> str:
    if len(text) > VALUE_CHARACTERS_MAX:
        text = text[:VALUE_CHARACTERS_MAX] + "..."
    if not text.isprintable():
        # A line break would forge a second line, an escape would command the terminal.
        text = text.encode("unicode_escape").decode("ascii")
    return _mask(text)


def _mask(text: str) -> str:
    if "inline:" in text:
        text = _MEDIA_KEY.sub(f"inline:{HIDDEN}", text)
    return _NUMBER.sub(lambda match: mask_number(match.group()), text)
