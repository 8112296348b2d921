"""What the tests of rtpengine share."""

from tests.harness.address import allocate_host
from tests.harness.rtpengine import Rtpengine
from tests.media.relay_contract import DEAD_AFTER_S, SESSIONS_MAX

from clicktodial.config import MediaSettings

OWNER = "ownerofthetests"


def create_settings(*daemons: Rtpengine, **changes: object) -> MediaSettings:
    """Settings of a fleet of these."""
    values = {
        "host": allocate_host(),
        "sessions_max": SESSIONS_MAX,
        "dead_after_s": DEAD_AFTER_S,
        "codecs": ("PCMA", "PCMU", "G722", "OPUS"),
        "driver": "rtpengine",
        "rtpengine": tuple(daemon.name for daemon in daemons),
    }
    return MediaSettings(**{**values, **changes})  # type: ignore[arg-type]  # mixed by design
