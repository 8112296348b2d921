"""Which messages are to follow a call: decided at begin, or the call is refused.

A call that asks for messages must not end and silently send nothing, so whatever keeps them from
being sent and is known at begin is told there.
"""

import uuid_utils

from clicktodial.control.error import MessageNotApproved, MessageTooLong
from clicktodial.control.service import BeginCall
from clicktodial.domain.call_plan import PlannedMessage
from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    ApplicationMessages,
    MessageLimits,
    TemplateInUse,
    find_excess,
    longest_fill,
    sides_of,
)


def plan_messages(
    messages: ApplicationMessages | None, request: BeginCall, limits: MessageLimits
) -> tuple[PlannedMessage, ...]:
    """One for each side that `request` names; none where it names no direction.

    Raises MessageNotApproved or MessageTooLong.
    """
    if request.send_direction is None:
        return ()
    planned = []
    for side in sides_of(request.send_direction):
        template = None if messages is None else messages.templates.get(side)
        if messages is None or template is None:
            raise MessageNotApproved
        _check_length(template, messages, request, side, limits)
        message_id = uuid_utils.uuid7().hex
        planned.append(
            PlannedMessage(message_id, side, template.template_id, template.only_connected)
        )
    return tuple(planned)


def _check_length(
    template: TemplateInUse,
    messages: ApplicationMessages,
    request: BeginCall,
    side: Side,
    limits: MessageLimits,
) -> None:
    other = request.callee if side is Side.CALLER else request.caller
    filled = longest_fill(request.sponsor.e164, other.e164, messages.enterprise_name)
    excess = find_excess(template.content, filled, limits, picture_bytes=template.picture_bytes)
    if excess is not None:
        raise MessageTooLong(excess)
