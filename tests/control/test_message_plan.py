"""Messages at begin: planned with the call, or the call is refused."""

from dataclasses import replace
from typing import Any

import pytest
from tests.control.conftest import settle

from clicktodial.control.error import MessageNotApproved, MessageTooLong
from clicktodial.control.message_plan import plan_messages
from clicktodial.control.service import BeginCall
from clicktodial.domain.call_plan import SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.message import (
    ApplicationMessages,
    Channel,
    MessageLimits,
    TemplateInUse,
    TemplateText,
)
from clicktodial.domain.number import parse_number

LIMITS = MessageLimits(parts_max=1, mms_bytes_max=1_000)


def template(
    text: str = "Hello", *, channel: Channel = Channel.SMS, picture_bytes: int = 0
) -> TemplateInUse:
    content = TemplateText(channel=channel, text=text, values={})
    return TemplateInUse("template", content, True, picture_bytes)


def messages(*sides: Side, text: str = "Hello", **more: Any) -> ApplicationMessages:
    return ApplicationMessages("Acme", dict.fromkeys(sides, template(text, **more)))


def request(direction: SendDirection | None) -> BeginCall:
    return BeginCall(
        parse_number("01052680000"),
        parse_number("8613912345673"),
        parse_number("8613810268653"),
        send_direction=direction,
    )


def test_without_a_direction_nothing_is_planned_or_asked() -> None:
    assert plan_messages(None, request(None), LIMITS) == ()


@pytest.mark.parametrize(
    ("direction", "sides"),
    [
        (SendDirection.MO, [Side.CALLER]),
        (SendDirection.MT, [Side.CALLEE]),
        (SendDirection.BOTH, [Side.CALLER, Side.CALLEE]),
    ],
)
def test_direction_says_who_has_a_message(direction: SendDirection, sides: list[Side]) -> None:
    planned = plan_messages(messages(*Side), request(direction), LIMITS)
    assert [each.side for each in planned] == sides
    assert len({each.message_id for each in planned}) == len(sides)
    assert all(each.template_id == "template" and each.only_connected for each in planned)


@pytest.mark.parametrize("known", [None, messages(), messages(Side.CALLER)])
def test_side_without_an_approved_message_refuses_the_call(
    known: ApplicationMessages | None,
) -> None:
    with pytest.raises(MessageNotApproved):
        plan_messages(known, request(SendDirection.BOTH), LIMITS)


@pytest.mark.parametrize(
    ("text", "more", "fits"),
    [
        # The sponsor is 13 characters long, the other's masked number 14, a duration at most 7.
        ("x" * 147 + "{sponsor}", {}, True),
        ("x" * 148 + "{sponsor}", {}, False),
        ("x" * 146 + "{other}", {}, True),
        ("x" * 147 + "{other}", {}, False),
        ("x" * 153 + "{duration}", {}, True),
        ("x" * 154 + "{duration}", {}, False),
        ("x" * 995 + "{enterprise}", {"channel": Channel.MMS}, True),
        ("x" * 995 + "{enterprise}", {"channel": Channel.MMS, "picture_bytes": 2}, False),
    ],
)
def test_message_that_this_calls_numbers_make_too_long_refuses_it(
    text: str, more: dict[str, Any], fits: bool
) -> None:
    known = messages(*Side, text=text, **more)
    if fits:
        plan_messages(known, request(SendDirection.MT), LIMITS)
        return
    with pytest.raises(MessageTooLong):
        plan_messages(known, request(SendDirection.MT), LIMITS)


async def test_refused_call_uses_nothing_up_and_rings_nobody(platform: Any) -> None:
    with pytest.raises(MessageNotApproved):
        await platform.service.begin(platform.application, request(SendDirection.BOTH))
    await settle()
    assert platform.service.live_count == 0


async def test_dry_run_tells_what_keeps_a_message_from_following(platform: Any) -> None:
    asked = request(SendDirection.MT)
    for known, wanted in (
        (None, "The application has no approved message for that direction."),
        (messages(*Side), None),
        (messages(*Side, text="x" * 10_000), "The message would be too long: it takes 66 short"),
    ):
        application = replace(platform.application, messages=known)
        told = [
            each
            for each in (await platform.service.forecast(application, asked)).obstacles
            if "message" in each
        ]
        assert (wanted is None and not told) or (len(told) == 1 and wanted in told[0]), told


async def test_call_carries_what_is_planned(platform: Any) -> None:
    application = replace(platform.application, messages=messages(*Side))
    call_id = await platform.service.begin(application, request(SendDirection.MT))
    await settle()
    controller = platform.service._live[call_id]
    assert [each.side for each in controller.call.plan.messages] == [Side.CALLEE]
