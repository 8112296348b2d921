"""A daemon and a fleet of one for each module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness.rtpengine import Rtpengine
from tests.media.rtpengine.support import OWNER, create_settings

from clicktodial.media.rtpengine.fleet import RtpengineFleet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rtpengine]:
    logs = tmp_path_factory.mktemp("rtpengine")
    # The blank shows that no path is cut in two.
    daemon = Rtpengine(logs / "sha red", logs)
    try:
        yield await daemon.start()
    finally:
        daemon.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def relay(
    daemon: Rtpengine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RtpengineFleet]:
    spool = tmp_path_factory.mktemp("spool")
    relay = RtpengineFleet(create_settings(daemon), spool, daemon.directory, owner=OWNER)
    await relay.start()
    yield relay
    await relay.close()
