"""How a call sounded, as one row: written once, when it is over, and read with its page.

Half a minute of both sides is some 70 bytes, the longest call 3 kB: MessagePack of whole numbers,
as fine as anybody can use them.
"""

import msgspec
from sqlalchemy import Connection, Dialect, select

from clicktodial.domain.identifier import CallId
from clicktodial.domain.quality_timeline import IntervalQuality, QualityInterval, QualityTimeline
from clicktodial.storage.quality_table import call_quality
from clicktodial.storage.statement import compile_statement, insert_if_absent
from clicktodial.storage.writer import Write

# Parts that are kept of a millisecond, and of a point of MOS.
_PARTS_OF_MS = 10
_PARTS_OF_MOS = 100
# After the call's row, which it refers to.
_RANK = 2
_COLUMNS = ("call_id", "intervals")


class _Side(msgspec.Struct, frozen=True, array_like=True):
    packets: int
    packets_lost: int
    jitter: int | None
    round_trip: int | None
    mos: int | None


class _Interval(msgspec.Struct, frozen=True, array_like=True):
    until_ms: int
    caller: _Side
    callee: _Side


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Interval])


class QualityWrites:
    """The finished statement for one database."""

    def __init__(self, dialect: Dialect) -> None:
        # Gathered with others' writes, which must not fail with it.
        self._insert = compile_statement(
            insert_if_absent(call_quality, dialect), dialect, _COLUMNS, rank=_RANK, counted=False
        )

    def write(self, call_id: CallId, timeline: QualityTimeline) -> Write:
        """Of a call whose row exists; a second one changes nothing."""
        return self._insert, (call_id, encode_timeline(timeline))


def read_timeline(connection: Connection, call_id: str) -> QualityTimeline:
    """Empty where nothing was kept, or it is forgotten."""
    query = select(call_quality.c.intervals).where(call_quality.c.call_id == call_id)
    kept: bytes | None = connection.scalar(query)
    return () if kept is None else decode_timeline(kept)


def encode_timeline(timeline: QualityTimeline) -> bytes:
    """The column's bytes."""
    return _encoder.encode(
        [
            _Interval(each.until_ms, _encode_side(each.caller), _encode_side(each.callee))
            for each in timeline
        ]
    )


def decode_timeline(kept: bytes) -> QualityTimeline:
    """The inverse, but for what is finer. Raises msgspec.DecodeError for anything else."""
    return tuple(
        QualityInterval(each.until_ms, _decode_side(each.caller), _decode_side(each.callee))
        for each in _decoder.decode(kept)
    )


def _encode_side(side: IntervalQuality) -> _Side:
    return _Side(
        packets=side.packets,
        packets_lost=side.packets_lost,
        jitter=_whole(side.jitter_ms, _PARTS_OF_MS),
        round_trip=_whole(side.round_trip_ms, _PARTS_OF_MS),
        mos=_whole(side.mos, _PARTS_OF_MOS),
    )


def _decode_side(side: _Side) -> IntervalQuality:
    return IntervalQuality(
        packets=side.packets,
        packets_lost=side.packets_lost,
        jitter_ms=_part(side.jitter, _PARTS_OF_MS),
        round_trip_ms=_part(side.round_trip, _PARTS_OF_MS),
        mos=_part(side.mos, _PARTS_OF_MOS),
    )


def _whole(value: float | None, parts: int) -> int | None:
    return None if value is None else round(value * parts)


def _part(value: int | None, parts: int) -> float | None:
    return None if value is None else value / parts
