"""The fleet of rtpengines: the contract, and what is its own, at real daemons."""

from tests.media.relay_contract import RelayContract


class TestRtpengineFleet(RelayContract):
    """The contract, over rtpengine."""
