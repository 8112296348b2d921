"""Tests of the speed gauge."""

import asyncio

from clicktodial.bench.gauge import SpeedGauge, time_work


async def test_gauge_times_its_work_while_it_is_used() -> None:
    async with SpeedGauge() as gauge:
        await asyncio.sleep(0)
        work_us = gauge.work_us
    assert 20 < work_us < 100_000


def test_gauge_that_was_not_used_has_no_time() -> None:
    assert SpeedGauge().work_us == 0.0


def test_work_takes_time() -> None:
    assert time_work() > 0
