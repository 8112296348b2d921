"""The shared clock: pace without drift, catching up, giving up."""

import asyncio

from tests.harness.virtual_time import in_virtual_time, jump

from clicktodial.sandbox.ticker import CATCH_UP_TICKS_MAX, Ticker

INTERVAL_S = 0.005


class Metronome:
    """Notes when it was ticked, and holds the loop up once if it is told to."""

    def __init__(self, ticks: int, *, hold_up_at: int = -1, hold_up_s: float = 0.0) -> None:
        self._ticks = ticks
        self._hold_up_at = hold_up_at
        self._hold_up_s = hold_up_s
        self.times: list[float] = []
        self.skipped = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tick(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) == self._hold_up_at:
            jump(self._hold_up_s)
        if len(self.times) + self.skipped >= self._ticks and not self.done.done():
            self.done.set_result(None)

    def skip(self, ticks: int) -> None:
        self.skipped += ticks


async def run(metronome: Metronome) -> float:
    """Tick it until it is done; returns when that began."""
    ticker = Ticker(INTERVAL_S)
    began_at = asyncio.get_running_loop().time()
    ticker.add(metronome)
    await metronome.done
    ticker.remove(metronome)
    assert len(ticker) == 0
    return began_at


@in_virtual_time
async def test_ticks_do_not_drift() -> None:
    metronome = Metronome(200)
    began_at = await run(metronome)
    lateness = [
        at - began_at - index * INTERVAL_S for index, at in enumerate(metronome.times, start=1)
    ]
    assert max(map(abs, lateness)) < INTERVAL_S / 1000


@in_virtual_time
async def test_short_hold_up_is_caught_up_at_once() -> None:
    metronome = Metronome(20, hold_up_at=5, hold_up_s=3.5 * INTERVAL_S)
    began_at = await run(metronome)
    burst = metronome.times[5:8]
    assert burst[-1] - burst[0] < INTERVAL_S
    assert len(metronome.times) + metronome.skipped >= 20
    assert metronome.times[-1] - began_at > 19 * INTERVAL_S


@in_virtual_time
async def test_long_hold_up_is_given_up_but_for_the_last_ticks() -> None:
    metronome = Metronome(60, hold_up_at=5, hold_up_s=30.5 * INTERVAL_S)
    began_at = await run(metronome)
    assert metronome.skipped >= 30 - CATCH_UP_TICKS_MAX
    # No tick is lost uncounted: the clock of the stream stays that of the wall.
    assert len(metronome.times) + metronome.skipped >= 60
    assert metronome.times[-1] - began_at > 59 * INTERVAL_S


@in_virtual_time
async def test_member_that_leaves_in_a_tick_is_not_ticked_again() -> None:
    ticker = Ticker(INTERVAL_S)
    other = Metronome(3)

    class Leaver(Metronome):
        def tick(self) -> None:
            super().tick()
            ticker.remove(self)

    leaver = Leaver(1)
    ticker.add(leaver)
    ticker.add(other)
    await other.done
    ticker.remove(other)
    assert len(leaver.times) == 1
    assert len(ticker) == 0


@in_virtual_time
async def test_ticker_starts_again_after_it_was_empty() -> None:
    ticker = Ticker(INTERVAL_S)
    for _ in range(2):
        metronome = Metronome(2)
        ticker.add(metronome)
        await metronome.done
        ticker.remove(metronome)
        assert metronome.skipped == 0
