"""Captures that earlier processes left, found again by their names."""

from pathlib import Path

import pytest

from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import CallId
from clicktodial.media.spool import ROOT_BYTES_MAX, Spool, create_capture_name

CALL = CallId("0190abcdef")
HEADER = bytes(24)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.create()
    return spool


def test_captures_finished_and_not_are_recovered(spool: Spool) -> None:
    name = create_capture_name(CALL, 1_700_000_000.25)
    caller = spool.recording_dir / f"{name.stem(Side.CALLER)}.rtp"
    callee = spool.recorded_dir / f"{name.stem(Side.CALLEE)}.rtp"
    for path in (caller, callee):
        path.write_bytes(HEADER + b"packets")
    capture = spool.recover(frozenset())[CALL]
    assert (capture.caller_path, capture.callee_path) == (str(caller), str(callee))
    assert capture.started_at == 1_700_000_000.25


def test_captures_of_live_calls_are_left_alone(spool: Spool) -> None:
    name = create_capture_name(CALL, 5)
    (spool.recording_dir / f"{name.stem(Side.CALLER)}.rtp").write_bytes(HEADER)
    assert spool.recover(frozenset({CALL})) == {}
    assert list(spool.recording_dir.iterdir())


def test_captures_without_packets_are_told_once_and_removed(spool: Spool) -> None:
    name = create_capture_name(CALL, 5)
    for side in Side:
        (spool.recorded_dir / f"{name.stem(side)}.rtp").write_bytes(HEADER)
    capture = spool.recover(frozenset())[CALL]
    assert (capture.caller_path, capture.callee_path) == (None, None)
    assert spool.recover(frozenset()) == {}


@pytest.mark.parametrize(
    "name", ["notes.txt", "a.5.caller", "a.x.caller.rtp", "a.5.third.rtp", "a b.5.caller.rtp"]
)
def test_files_of_other_names_are_left_alone(spool: Spool, name: str) -> None:
    (spool.recorded_dir / name).write_bytes(HEADER)
    assert spool.recover(frozenset()) == {}
    assert (spool.recorded_dir / name).exists()


async def test_capture_that_never_appears_is_told_as_missing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clicktodial.media.spool._MOVE_TIMEOUT_S", 0.01)
    capture = await spool.collect([create_capture_name(CALL, 5)])
    assert (capture.caller_path, capture.callee_path) == (None, None)


def test_root_whose_path_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="path"):
        Spool(Path("/" + "x" * ROOT_BYTES_MAX)).create()
