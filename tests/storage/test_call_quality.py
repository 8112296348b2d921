"""How a call sounded as the bytes of a column."""

import msgspec
import pytest

from clicktodial.domain.quality_timeline import INTERVALS_MAX, IntervalQuality, QualityInterval
from clicktodial.storage.call_quality import decode_timeline, encode_timeline


def test_timeline_of_the_longest_call_takes_few_bytes() -> None:
    side = IntervalQuality(12_000, 120, 12.3, 123.4, 4.21)
    timeline = tuple(
        QualityInterval(120_000 * number, side, side) for number in range(INTERVALS_MAX)
    )
    encoded = encode_timeline(timeline)
    assert len(encoded) < 4_000
    assert decode_timeline(encoded) == timeline


@pytest.mark.parametrize("kept", [b"", b"{", b"\x91\x92\x01\x02"])
def test_what_is_no_timeline_is_not_taken_for_one(kept: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_timeline(kept)
