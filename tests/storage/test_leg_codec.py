"""Legs of calls as the text of a column."""

from datetime import UTC, datetime

import pytest

from clicktodial.domain.cause import Side
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.storage.leg_codec import decode_legs, encode_legs

AT = datetime(2026, 3, 4, 5, 6, 7, 890_123, tzinfo=UTC)
FULL = LegRecord(
    trunk="main",
    sip_call_id="a84b4c76e66710@192.0.2.1",
    placed_at=AT,
    ringing_at=AT,
    answered_at=AT,
    codec="PCMA",
    is_encrypted=True,
    quality=SideQuality(1000, 3, 2.5, 4.2, 31.5),
    silence_s=4,
)


@pytest.mark.parametrize(
    "legs",
    [
        {},
        {Side.CALLER: LegRecord()},
        {Side.CALLEE: FULL},
        {Side.CALLER: FULL, Side.CALLEE: LegRecord(trunk="backup", placed_at=AT)},
    ],
)
def test_legs_survive_their_encoding(legs: dict[Side, LegRecord]) -> None:
    assert decode_legs(encode_legs(legs)) == legs


def test_call_whose_legs_were_not_kept_has_none() -> None:
    assert decode_legs(None) == {}
