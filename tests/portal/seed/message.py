"""Templates in every state, one with a picture, and messages that went well and that did not."""

import struct
import zlib
from datetime import timedelta

from sqlalchemy import insert, update
from tests.portal.world import World

from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    Channel,
    MessageLimits,
    MessageState,
    TemplateRecipient,
    TemplateState,
)
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.messaging.template import NewTemplate, Templates
from clicktodial.storage.message_table import (
    message,
    message_part,
    message_report,
    message_template,
)

_TEXT = "{enterprise} called you by {sponsor} at {time}. {greeting}"


def seed_messages(world: World, enterprise_id: str) -> dict[str, str]:
    """Versions of a short message and a draft of a multimedia one; messages of each state."""
    app_id = world.ids[enterprise_id]["app_id"]
    templates = Templates(world.transactions, MessageLimits())
    made = []
    for channel, words in ((Channel.SMS, "Thank you!"), (Channel.MMS, "Here is your parcel.")):
        new = NewTemplate(
            recipient=TemplateRecipient.CALLEE,
            channel=channel,
            subject="Your parcel" if channel is Channel.MMS else "",
            text=_TEXT,
            values={"greeting": words},
        )
        made.append(templates.create(OPERATOR_PRINCIPAL, app_id, new, now=world.now).template_id)
    in_use, draft = made
    _decide(world, in_use, TemplateState.APPROVED, "")
    templates.add_picture(OPERATOR_PRINCIPAL, app_id, draft, create_picture())
    rejected = NewTemplate(
        recipient=TemplateRecipient.CALLEE, channel=Channel.SMS, text="Win a prize!", values={}
    )
    other = templates.create(OPERATOR_PRINCIPAL, app_id, rejected, now=world.now)
    _decide(world, other.template_id, TemplateState.REJECTED, "Advertising needs consent.")
    message_id = ""
    for number, state in enumerate(MessageState):
        message_id = _add_message(world, app_id, in_use, number, state)
    return {"template_id": draft, "position": "1", "message_id": message_id}


def create_picture() -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    width, height = 240, 120
    rows = b"".join(b"\x00" + b"\x0b\x67\x80" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _decide(world: World, template_id: str, state: TemplateState, reason: str) -> None:
    values = {"state": state, "decided_at": world.now, "decided_by": "reviewer", "reason": reason}
    with world.engine.begin() as connection:
        where = message_template.c.id == template_id
        connection.execute(update(message_template).where(where).values(values))


def _add_message(
    world: World, app_id: str, template_id: str, number: int, state: MessageState
) -> str:
    message_id, at = f"{app_id}m{number:023x}", world.now - timedelta(minutes=10 * number)
    is_sent = state in (MessageState.SENT, MessageState.DELIVERED, MessageState.FAILED)
    is_over = state in (MessageState.DELIVERED, MessageState.FAILED, MessageState.EXPIRED)
    row = {
        "id": message_id, "call_id": f"{app_id}{number:024x}", "app_id": app_id,
        "side": Side.CALLEE, "template_id": template_id, "only_connected": True, "state": state,
        "created_at": at, "queued_at": None if state is MessageState.PLANNED else at,
        # A gateway's dispatcher looks at what is due: that is not before the tests are over.
        "next_attempt_at": world.now + timedelta(days=1),
        "subject": "", "text": "Acme called you by +861052680000. Thank you!",
        "gateway": "smpp" if is_sent else None, "attempts": 3 if is_over else 1,
        "sent_at": at if is_sent else None, "settled_at": at if is_over else None,
        "last_error": "no route to the handset" if state is MessageState.FAILED else None,
    }  # fmt: skip
    part = {
        "message_id": message_id, "number": 1, "gateway": "smpp", "gateway_id": f"g-{message_id}",
        "state": state, "sent_at": at,
    }  # fmt: skip
    report = {
        "id": f"r{message_id}", "gateway": "smpp", "gateway_id": f"g-{message_id}",
        "state": state, "detail": "UNDELIV", "received_at": at, "message_id": message_id,
    }  # fmt: skip
    with world.engine.begin() as connection:
        connection.execute(insert(message).values(row))
        if is_sent:
            connection.execute(insert(message_part).values(part))
        if is_over:
            connection.execute(insert(message_report).values(report))
    return message_id
