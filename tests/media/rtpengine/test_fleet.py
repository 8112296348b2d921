"""The fleet of rtpengines: the contract, and what is its own, at real daemons."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness.address import allocate_host
from tests.harness.rtpengine import Rtpengine
from tests.media.relay_contract import DEAD_AFTER_S, SESSIONS_MAX, RelayContract

from clicktodial.config import MediaSettings
from clicktodial.media.rtpengine.fleet import RtpengineFleet

OWNER = "ownerofthetests"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rtpengine]:
    logs = tmp_path_factory.mktemp("rtpengine")
    daemon = await Rtpengine(logs / "shared", logs).start()
    yield daemon
    daemon.close()


def create_settings(*daemons: Rtpengine, **changes: object) -> MediaSettings:
    values = {
        "host": allocate_host(),
        "sessions_max": SESSIONS_MAX,
        "dead_after_s": DEAD_AFTER_S,
        "codecs": ("PCMA", "PCMU", "G722", "OPUS"),
        "driver": "rtpengine",
        "rtpengine": tuple(daemon.name for daemon in daemons),
    }
    return MediaSettings(**{**values, **changes})  # type: ignore[arg-type]  # mixed by design


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def relay(
    daemon: Rtpengine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RtpengineFleet]:
    spool = tmp_path_factory.mktemp("spool")
    relay = RtpengineFleet(create_settings(daemon), spool, daemon.directory, owner=OWNER)
    await relay.start()
    yield relay
    await relay.close()


class TestRtpengineFleet(RelayContract):
    """The contract, over rtpengine."""
