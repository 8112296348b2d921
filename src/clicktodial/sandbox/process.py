"""The two sandbox processes: run until SIGTERM or SIGINT, telling all on standard output."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from clicktodial.sandbox.app import Expectations, SampleApp
from clicktodial.sandbox.carrier import Carrier, CarrierLimits
from clicktodial.sandbox.report import Report, ReportKind, open_line_writer


async def run_carrier(
    host: str,
    port: int,
    *,
    events: Path | None = None,
    report_sip: bool = False,
    limits: CarrierLimits | None = None,
) -> None:
    """Run the simulated carrier on SIP over UDP; port 0 takes any port.

    The first line tells the address: `{"event": "ready", "sip": "127.0.0.1:5062", ...}`.
    `events` is a file that gets the same lines. Raises OSError.
    """
    with open_line_writer(sys.stdout.buffer, events) as report:
        carrier = Carrier(report=report, report_sip=report_sip, limits=limits)
        async with _stop_signal() as stopped:
            await carrier.start(host, port)
            try:
                bound_host, bound_port = carrier.address
                report(Report(ReportKind.READY, {"sip": f"{bound_host}:{bound_port}"}))
                await stopped.wait()
            finally:
                await carrier.close()


async def run_app(
    host: str,
    port: int,
    *,
    events: Path | None = None,
    expect: Expectations | None = None,
) -> None:
    """Run the sample application server; port 0 takes any port.

    The first line tells the address: `{"event": "ready", "http": "127.0.0.1:9000", ...}`.
    Raises OSError, SigningSecretError.
    """
    with open_line_writer(sys.stdout.buffer, events) as report:
        app = SampleApp(report=report, expect=expect)
        async with _stop_signal() as stopped:
            await app.start(host, port)
            try:
                bound_host, bound_port = app.address
                report(Report(ReportKind.READY, {"http": f"{bound_host}:{bound_port}"}))
                await stopped.wait()
            finally:
                await app.close()


@contextlib.asynccontextmanager
async def _stop_signal() -> AsyncGenerator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
