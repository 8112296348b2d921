"""What lets browsers be a side of calls."""

from clicktodial.composition.foundation import Foundation
from clicktodial.media.codec import carried_codecs
from clicktodial.media.webrtc.gateway import WebGateway
from clicktodial.media.webrtc.phone import WebPhones


async def open_web_phones(base: Foundation) -> WebPhones | None:
    """None where the settings do not want it. Raises RelayError."""
    media = base.settings.media
    if not media.webrtc:
        return None
    gateway = WebGateway(media)
    await gateway.start()
    base.stack.push_async_callback(gateway.close)
    phones = WebPhones(gateway, carried_codecs(media))
    base.stack.push_async_callback(phones.close)
    return phones
