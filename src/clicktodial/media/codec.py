"""What calls may speak by the settings."""

from clicktodial.config import MediaSettings
from clicktodial.domain.media import KNOWN_CODECS, Codec


def carried_codecs(settings: MediaSettings) -> tuple[Codec, ...]:
    """Preferred first."""
    known = {codec.name: codec for codec in KNOWN_CODECS}
    return tuple(known[name] for name in settings.codecs)
