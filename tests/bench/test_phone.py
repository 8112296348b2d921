"""Tests of SIPp as the phones, called over SIP."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.bench.fake_platform import Leg, SipClient

from clicktodial.bench.error import PhoneError
from clicktodial.bench.phone import find_free_udp_ports, read_ack_times, run_phones
from clicktodial.bench.placement import Placement

_ANSWER_TIMEOUT_S = 10.0


async def call(port: int, numbers: list[str]) -> list[Leg]:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(
        lambda: SipClient(("127.0.0.1", port)), local_addr=("127.0.0.1", 0)
    )
    async with asyncio.timeout(_ANSWER_TIMEOUT_S):
        legs = await asyncio.gather(*(client.invite(number) for number in numbers))
        for leg in legs:
            client.bye(leg)
            await leg.ended
    transport.close()
    return legs


async def test_phones_answer_every_leg_and_write_down_its_ack(
    tmp_path: Path, placement: Placement
) -> None:
    numbers = [str(8613900000000 + index) for index in range(30)]
    before = time.time()
    async with run_phones(tmp_path, placement) as phones:
        assert phones.is_alive
        legs = await call(phones.port, numbers)
    assert len({leg.to_tag for leg in legs}) == len(numbers)
    times = read_ack_times(phones.ack_log)
    assert sorted(times) == numbers
    assert all(before <= moment <= time.time() for moment in times.values())


async def test_phones_end_with_the_block(tmp_path: Path, placement: Placement) -> None:
    async with run_phones(tmp_path, placement) as phones:
        pass
    assert not phones.is_alive


async def test_missing_sipp_is_told_with_its_remedy(
    tmp_path: Path, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PhoneError, match="apt-get install sip-tester"):
        async with run_phones(tmp_path, placement):
            pass


async def test_sipp_that_ends_at_once_is_told(
    tmp_path: Path, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sipp"
    program.write_text("#!/bin/sh\necho 'no such scenario' >sipp-errors.log\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(PhoneError, match="no such scenario"):
        async with run_phones(tmp_path, placement):
            pass


def test_free_ports_differ() -> None:
    assert len(set(find_free_udp_ports(20))) == 20


def test_ack_log_keeps_the_first_time_of_each_number(tmp_path: Path) -> None:
    log = tmp_path / "ack.log"
    day = "2026-01-31\t12:00:00.1"
    log.write_text(
        f"ACK {day}\t1769860800.100000 To: <sip:+8613900000000@127.0.0.1:5080>;tag=1\n"
        f'ACK {day}\t1769860800.200000 To: "x" <sip:8613800000000@127.0.0.1>;tag=2\n'
        f"ACK {day}\t1769860800.900000 To: <sip:+8613900000000@127.0.0.1:5080>;tag=1\n"
        "something else\n"
    )
    assert read_ack_times(log) == {
        "8613900000000": 1769860800.1,
        "8613800000000": 1769860800.2,
    }


def test_missing_ack_log_has_no_times(tmp_path: Path) -> None:
    assert read_ack_times(tmp_path / "none") == {}
