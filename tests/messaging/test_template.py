"""Templates: written, reviewed, in use, replaced; and whose they are."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event
from tests.messaging.support import (
    APP_ID,
    DEVELOPER,
    ENTERPRISE,
    GIF,
    LIMITS,
    NOW,
    STRANGER,
    approve_template,
    decide,
    new_template,
)

from clicktodial.accounts.work_order import read_work_order
from clicktodial.domain.cause import Side
from clicktodial.domain.message import Channel, TemplateRecipient, TemplateState
from clicktodial.domain.work_order import WorkOrderState
from clicktodial.messaging.picture import PICTURE_BYTES_MAX, PICTURES_MAX
from clicktodial.messaging.template import Templates
from clicktodial.storage.error import Conflict, NotFound, NotPermitted, ValueInvalid
from clicktodial.storage.message_row import read_application_messages
from clicktodial.storage.transaction import Transactions

JPEG = b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(17) + b"\x00\x00\x00\x00IEND\xaeB`\x82"


@pytest.fixture
def templates(transactions: Transactions) -> Templates:
    return Templates(transactions, LIMITS)


def test_template_goes_from_draft_through_review_into_use(
    templates: Templates, transactions: Transactions
) -> None:
    draft = templates.create(DEVELOPER, APP_ID, new_template(), now=NOW)
    assert (draft.state, draft.version) == (TemplateState.DRAFT, 1)
    submitted = templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)
    assert submitted.state is TemplateState.IN_REVIEW
    with transactions.read() as connection:
        assert read_application_messages(connection, APP_ID) is None
    approved = decide(transactions, templates, submitted)
    assert (approved.state, approved.decided_by) == (TemplateState.APPROVED, "reviewer")
    with transactions.read() as connection:
        in_use = read_application_messages(connection, APP_ID)
    assert in_use is not None
    assert in_use.enterprise_name == "Acme Couriers"
    assert {side: each.template_id for side, each in in_use.templates.items()} == {
        side: approved.template_id for side in Side
    }


def test_rejected_template_has_the_reason_and_is_not_used(
    templates: Templates, transactions: Transactions
) -> None:
    draft = templates.create(DEVELOPER, APP_ID, new_template(), now=NOW)
    submitted = templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)
    rejected = decide(transactions, templates, submitted, approved=False)
    assert (rejected.state, rejected.reason) == (TemplateState.REJECTED, "no greeting")
    with transactions.read() as connection:
        assert read_application_messages(connection, APP_ID) is None


def test_review_ends_with_the_enterprise(templates: Templates, transactions: Transactions) -> None:
    made = [templates.create(DEVELOPER, APP_ID, new_template(), now=NOW) for _ in range(2)]
    submitted = templates.submit(DEVELOPER, APP_ID, made[0].template_id, now=NOW)
    assert submitted.work_order_id is not None
    with transactions.change() as connection:
        templates.end_enterprise(connection, "another", NOW)
        assert read_work_order(connection, submitted.work_order_id).outcome is None
        templates.end_enterprise(connection, ENTERPRISE, NOW)
        order = read_work_order(connection, submitted.work_order_id)
    assert (order.state, order.outcome) == (WorkOrderState.ARCHIVED, WorkOrderState.REJECTED)
    told = {each.template_id: each for each in templates.list_templates(DEVELOPER, APP_ID)}
    assert told[submitted.template_id].state is TemplateState.REJECTED
    assert told[submitted.template_id].reason == "the enterprise is cancelled"
    assert told[made[1].template_id].state is TemplateState.DRAFT


def test_nobody_approves_what_they_wrote(templates: Templates, transactions: Transactions) -> None:
    draft = templates.create(DEVELOPER, APP_ID, new_template(), now=NOW)
    submitted = templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)
    with pytest.raises(NotPermitted):
        decide(transactions, templates, submitted, by=DEVELOPER)


def test_approved_version_is_in_use_until_the_next_is_approved(
    templates: Templates, transactions: Transactions
) -> None:
    first = approve_template(transactions)
    second = templates.create(DEVELOPER, APP_ID, new_template(text="Other text"), now=NOW)
    assert second.version == 2
    submitted = templates.submit(DEVELOPER, APP_ID, second.template_id, now=NOW)
    shown = templates.show(DEVELOPER, APP_ID, first.template_id)
    assert shown.state is TemplateState.APPROVED
    decide(transactions, templates, submitted)
    listed = templates.list_templates(DEVELOPER, APP_ID)
    assert [(each.version, each.state) for each in listed] == [
        (2, TemplateState.APPROVED),
        (1, TemplateState.RETIRED),
    ]


def test_template_for_a_side_goes_before_one_for_both(transactions: Transactions) -> None:
    both = approve_template(transactions)
    callee = approve_template(transactions, new_template(TemplateRecipient.CALLEE))
    with transactions.read() as connection:
        in_use = read_application_messages(connection, APP_ID)
    assert in_use is not None
    assert in_use.templates[Side.CALLER].template_id == both.template_id
    assert in_use.templates[Side.CALLEE].template_id == callee.template_id


def test_retired_template_is_used_no_more(templates: Templates, transactions: Transactions) -> None:
    template = approve_template(transactions)
    retired = templates.retire(DEVELOPER, APP_ID, template.template_id, now=NOW)
    assert retired.state is TemplateState.RETIRED
    with transactions.read() as connection:
        assert read_application_messages(connection, APP_ID) is None


def test_submitted_template_does_not_change(templates: Templates) -> None:
    draft = templates.create(
        DEVELOPER, APP_ID, new_template(channel=Channel.MMS, subject="Hello"), now=NOW
    )
    templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)
    with pytest.raises(Conflict):
        templates.add_picture(DEVELOPER, APP_ID, draft.template_id, GIF)
    with pytest.raises(Conflict):
        templates.submit(DEVELOPER, APP_ID, draft.template_id, now=NOW)


@pytest.mark.parametrize(
    "statement", ["INSERT INTO message_picture", "DELETE FROM message_picture"]
)
def test_pictures_do_not_change_once_somebody_else_has_submitted_the_draft(
    templates: Templates, engine: Engine, statement: str
) -> None:
    """As PostgreSQL shows it, where a transaction sees what others committed since it began."""
    draft = templates.create(DEVELOPER, APP_ID, new_template(channel=Channel.MMS), now=NOW)
    templates.add_picture(DEVELOPER, APP_ID, draft.template_id, GIF)

    @event.listens_for(engine, "before_cursor_execute")
    def submit(_connection: object, cursor: Any, executed: str, *_others: object) -> None:
        if executed.startswith(statement):
            cursor.execute("UPDATE message_template SET state = 'in-review'")

    with pytest.raises(Conflict):
        if statement.startswith("INSERT"):
            templates.add_picture(DEVELOPER, APP_ID, draft.template_id, PNG)
        else:
            templates.remove_pictures(DEVELOPER, APP_ID, draft.template_id)
    kept = templates.show(DEVELOPER, APP_ID, draft.template_id)
    assert (kept.pictures, kept.picture_bytes) == (("image/gif",), len(GIF))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", "empty"),
        ("a{nothing}", "neither a variable nor a value"),
        ("a{sponsor", "braces"),
        ("a\0b", "cannot be printed"),
        ("a\ud800b", "cannot be printed"),
        ("x" * 2_001, "characters"),
        # Two parts are allowed: 306 septets, of which the name of the enterprise takes 13.
        ("x" * 294 + "{enterprise}", "too long"),
        ("中" * 135, "too long"),
    ],
)
def test_text_that_cannot_be_sent_is_refused_when_it_is_saved(
    templates: Templates, text: str, reason: str
) -> None:
    with pytest.raises(ValueInvalid, match=reason):
        templates.create(DEVELOPER, APP_ID, new_template(text=text), now=NOW)


def test_text_that_just_fits_is_taken(templates: Templates) -> None:
    templates.create(DEVELOPER, APP_ID, new_template(text="x" * 293 + "{enterprise}"), now=NOW)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"other": "x"}, "variable of the platform's"),
        ({"Bad": "x"}, "small letters"),
        ({"good": "x" * 201}, "characters"),
        ({f"v{number}": "x" for number in range(17)}, "values"),
    ],
)
def test_values_are_bounded(templates: Templates, values: dict[str, str], reason: str) -> None:
    new = replace(new_template(text="Hello"), values=values)
    with pytest.raises(ValueInvalid, match=reason):
        templates.create(DEVELOPER, APP_ID, new, now=NOW)


def test_value_that_looks_like_a_variable_is_told_as_it_is() -> None:
    content = replace(new_template(text="{greeting}"), values={"greeting": "{other}"}).content
    assert content.render({"other": "secret"}) == ("", "{other}")


@pytest.mark.parametrize(
    ("content", "media_type"), [(JPEG, "image/jpeg"), (PNG, "image/png"), (GIF, "image/gif")]
)
def test_picture_is_known_by_its_content(
    templates: Templates, content: bytes, media_type: str
) -> None:
    draft = templates.create(DEVELOPER, APP_ID, new_template(channel=Channel.MMS), now=NOW)
    changed = templates.add_picture(DEVELOPER, APP_ID, draft.template_id, content)
    assert (changed.pictures, changed.picture_bytes) == ((media_type,), len(content))
    read = templates.read_picture(DEVELOPER, APP_ID, draft.template_id, 1)
    assert read == (media_type, content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg onload='alert(1)'/>", "JPEG, PNG or GIF"),
        (JPEG[:-1], "JPEG, PNG or GIF"),
        (b"", "JPEG, PNG or GIF"),
        (b"GIF89a" + bytes(PICTURE_BYTES_MAX) + b";", "bytes"),
        (b"GIF89a" + bytes(4_000) + b";", "too long"),
    ],
)
def test_what_is_no_picture_or_too_big_is_refused(
    templates: Templates, content: bytes, reason: str
) -> None:
    draft = templates.create(DEVELOPER, APP_ID, new_template(channel=Channel.MMS), now=NOW)
    with pytest.raises(ValueInvalid, match=reason):
        templates.add_picture(DEVELOPER, APP_ID, draft.template_id, content)


def test_pictures_are_few_and_of_multimedia_messages_only(templates: Templates) -> None:
    short = templates.create(DEVELOPER, APP_ID, new_template(), now=NOW)
    with pytest.raises(ValueInvalid, match="no pictures"):
        templates.add_picture(DEVELOPER, APP_ID, short.template_id, GIF)
    draft = templates.create(DEVELOPER, APP_ID, new_template(channel=Channel.MMS), now=NOW)
    for _ in range(PICTURES_MAX):
        templates.add_picture(DEVELOPER, APP_ID, draft.template_id, GIF)
    with pytest.raises(ValueInvalid, match="pictures"):
        templates.add_picture(DEVELOPER, APP_ID, draft.template_id, GIF)
    emptied = templates.remove_pictures(DEVELOPER, APP_ID, draft.template_id)
    assert (emptied.pictures, emptied.picture_bytes) == ((), 0)


def test_short_message_has_no_subject(templates: Templates) -> None:
    with pytest.raises(ValueInvalid, match="subject"):
        templates.create(DEVELOPER, APP_ID, new_template(subject="Hello"), now=NOW)


def test_another_enterprises_templates_are_not_found(
    templates: Templates, transactions: Transactions
) -> None:
    template = approve_template(transactions)
    template_id = template.template_id
    for ask in (
        lambda: templates.show(STRANGER, APP_ID, template_id),
        lambda: templates.show(STRANGER, "87654321", template_id),
        lambda: templates.list_templates(STRANGER, APP_ID),
        lambda: templates.create(STRANGER, APP_ID, new_template(), now=NOW),
        lambda: templates.submit(STRANGER, APP_ID, template_id, now=NOW),
        lambda: templates.retire(STRANGER, APP_ID, template_id, now=NOW),
        lambda: templates.add_picture(STRANGER, APP_ID, template_id, GIF),
        lambda: templates.read_picture(STRANGER, APP_ID, template_id, 1),
    ):
        with pytest.raises(NotFound):
            ask()
