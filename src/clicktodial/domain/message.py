"""Messages after a call: what a template says, and what becomes of templates and messages.

A template's versions go this way; each step stands in TEMPLATE_STEPS, and only one version of an
application for a recipient is approved at a time:

    draft --submit--> in-review --approve--> approved --retire--> retired
                          |                                         ^
                          +--reject--> rejected        (a newer one was approved)

A message is planned with its call, and its state is changed in MESSAGE_STEPS only:

    planned --call ended--> queued --gateway took it--> sent --report--> delivered
       |                      |  ^                       |
       +--> skipped           |  +-------- replay -------+--report, or nobody took it--> failed
                              +--too late--> expired <---+
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from clicktodial.domain.call_plan import SendDirection
from clicktodial.domain.cause import Side
from clicktodial.domain.number import mask_number
from clicktodial.domain.short_message import count_parts
from clicktodial.domain.wording import worded

# A multimedia message's text is read on a phone; a short one ends far sooner, by its parts.
TEXT_CHARACTERS_MAX = 2_000
# TS 23.140 sets no bound; phones show a line.
SUBJECT_CHARACTERS_MAX = 80
VALUES_MAX = 16
VALUE_CHARACTERS_MAX = 200
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")
_UNFIT = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BRACE = re.compile(r"[{}]")
# The longest call is a day (config.CallsSettings): 1440 minutes.
_DURATION_LONGEST = timedelta(days=1)
_TIME_FORMAT = "%Y-%m-%d %H:%M"
# What a preview shows, of no call.
_SAMPLE_SPONSOR, _SAMPLE_OTHER = "+861052680000", "+8613800138000"
_SAMPLE_DURATION_S = 187


class TemplateError(ValueError):
    """The template cannot be used."""


class Variable(StrEnum):
    """What the platform fills in; any other name is one of the template's own values."""

    SPONSOR = "sponsor"  # the number that was shown, whole: it is the enterprise's
    OTHER = "other"  # the other party's number, its middle hidden
    TIME = "time"  # when the call began, at the platform's place
    DURATION = "duration"  # how long the parties were joined: minutes:seconds
    ENTERPRISE = "enterprise"  # its name


class Channel(StrEnum):
    """How a message travels."""

    SMS = "sms"
    MMS = "mms"


class TemplateRecipient(StrEnum):
    """Whom a template is for. One for a side goes before one for both."""

    CALLER = "caller"
    CALLEE = "callee"
    BOTH = "both"

    @property
    def sides(self) -> frozenset[Side]:
        if self is TemplateRecipient.BOTH:
            return frozenset(Side)
        return frozenset({Side(self.value)})


class TemplateState(StrEnum):
    """How far a version has come."""

    DRAFT = "draft"
    IN_REVIEW = "in-review"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETIRED = "retired"


class TemplateStep(StrEnum):
    """What is done with a version."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    RETIRE = "retire"


TEMPLATE_STEPS: dict[tuple[TemplateState, TemplateStep], TemplateState] = {
    (TemplateState.DRAFT, TemplateStep.SUBMIT): TemplateState.IN_REVIEW,
    (TemplateState.IN_REVIEW, TemplateStep.APPROVE): TemplateState.APPROVED,
    (TemplateState.IN_REVIEW, TemplateStep.REJECT): TemplateState.REJECTED,
    (TemplateState.APPROVED, TemplateStep.RETIRE): TemplateState.RETIRED,
    (TemplateState.DRAFT, TemplateStep.RETIRE): TemplateState.RETIRED,
}


class MessageState(StrEnum):
    """What became of a message."""

    PLANNED = "planned"  # its call lives
    SKIPPED = "skipped"  # its template is for connected calls, and this one was not
    QUEUED = "queued"
    SENT = "sent"  # a gateway has it
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


# What a report may change: a message that its gateway called delivered is not failed later, and
# one that it gave up may turn out delivered after all.
REPORTABLE: dict[MessageState, frozenset[MessageState]] = {
    MessageState.SENT: frozenset(
        {MessageState.DELIVERED, MessageState.FAILED, MessageState.EXPIRED}
    ),
    MessageState.EXPIRED: frozenset({MessageState.DELIVERED}),
    MessageState.FAILED: frozenset({MessageState.DELIVERED}),
}
REPLAYABLE = frozenset({MessageState.FAILED, MessageState.EXPIRED})


def step_template(state: TemplateState, step: TemplateStep) -> TemplateState:
    """The state after the step. Raises TemplateError where it is not taken from there."""
    after = TEMPLATE_STEPS.get((state, step))
    if after is None:
        raise TemplateError(
            worded("a template that is %(state)s cannot %(step)s", state=state, step=step)
        )
    return after


def sides_of(direction: SendDirection) -> tuple[Side, ...]:
    """To whom messages go (click-to-dial-v1 4.2)."""
    match direction:
        case SendDirection.MO:
            return (Side.CALLER,)
        case SendDirection.MT:
            return (Side.CALLEE,)
        case SendDirection.BOTH:
            return (Side.CALLER, Side.CALLEE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """What a message says, with variables in braces; `values` are the application's own, fixed
    with the version."""

    channel: Channel
    text: str
    subject: str = ""
    values: Mapping[str, str]

    def render(self, filled: Mapping[str, str]) -> tuple[str, str]:
        """Subject and text with every variable filled in. A value is never read for variables."""
        known = {**self.values, **filled}

        def fill(match: re.Match[str]) -> str:
            return known[match[1]]

        return _VARIABLE.sub(fill, self.subject), _VARIABLE.sub(fill, self.text)


@dataclass(frozen=True, slots=True)
class TemplateInUse:
    """An approved template, as the call path knows it. `picture_bytes` is what all its pictures
    take."""

    template_id: str
    content: TemplateText
    only_connected: bool
    picture_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ApplicationMessages:
    """What an application may send after its calls, by side."""

    enterprise_name: str
    templates: Mapping[Side, TemplateInUse]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """How long messages may be: parts of a short one, bytes of a multimedia one with pictures."""

    parts_max: int = 6
    mms_bytes_max: int = 300_000


DEFAULT_MESSAGE_LIMITS = MessageLimits()


def check_template(content: TemplateText) -> None:
    """Raises TemplateError for what nobody could send, however short."""
    if not content.text.strip():
        raise TemplateError("the text is empty")
    if len(content.text) > TEXT_CHARACTERS_MAX:
        raise TemplateError(
            worded("the text may have %(most)s characters", most=TEXT_CHARACTERS_MAX)
        )
    if len(content.subject) > SUBJECT_CHARACTERS_MAX:
        raise TemplateError(
            worded("the subject may have %(most)s characters", most=SUBJECT_CHARACTERS_MAX)
        )
    if content.subject and content.channel is Channel.SMS:
        raise TemplateError("a short message has no subject")
    _check_characters(content.subject, "the subject", allowed="")
    _check_characters(content.text, "the text", allowed="\n")
    if len(content.values) > VALUES_MAX:
        raise TemplateError(worded("a template may have %(most)s values", most=VALUES_MAX))
    for name, value in content.values.items():
        _check_value(name, value)
    known = set(content.values) | set(Variable)
    for part in (content.subject, content.text):
        for name in _VARIABLE.findall(part):
            if name not in known:
                raise TemplateError(
                    worded("{%(name)s} is neither a variable nor a value", name=name)
                )
        if _BRACE.search(_VARIABLE.sub("", part)):
            raise TemplateError("braces stand around the name of a variable only")


def find_excess(
    content: TemplateText, filled: Mapping[str, str], limits: MessageLimits, *, picture_bytes: int
) -> str | None:
    """Why the message that comes of it is too long, or None."""
    subject, text = content.render(filled)
    if content.channel is Channel.SMS:
        parts = count_parts(text)
        if parts > limits.parts_max:
            return worded(
                "it takes %(parts)s short messages, and %(most)s are allowed",
                parts=parts,
                most=limits.parts_max,
            )
        return None
    size = len(subject.encode()) + len(text.encode()) + picture_bytes
    if size > limits.mms_bytes_max:
        return worded(
            "it takes %(size)s bytes, and %(most)s are allowed",
            size=size,
            most=limits.mms_bytes_max,
        )
    return None


def shortest_fill(enterprise_name: str) -> dict[str, str]:
    """What a call's variables come to at least: a template that is too long with it, always is."""
    return {
        Variable.SPONSOR: "+1",
        Variable.OTHER: "**",
        Variable.TIME: "2000-01-01 00:00",
        Variable.DURATION: "0:00",
        Variable.ENTERPRISE: enterprise_name,
    }


def longest_fill(sponsor: str, other: str, enterprise_name: str) -> dict[str, str]:
    """What a call's variables come to at most, of which all but the duration is known at begin."""
    return {
        Variable.SPONSOR: sponsor,
        Variable.OTHER: mask_number(other),
        Variable.TIME: "2000-01-01 00:00",
        Variable.DURATION: format_duration(int(_DURATION_LONGEST.total_seconds())),
        Variable.ENTERPRISE: enterprise_name,
    }


def sample_fill(enterprise_name: str, time: str) -> dict[str, str]:
    """Values of a call that nobody made, for whoever writes a template. `time` is as a message
    tells it."""
    return {
        Variable.SPONSOR: _SAMPLE_SPONSOR,
        Variable.OTHER: mask_number(_SAMPLE_OTHER),
        Variable.TIME: time,
        Variable.DURATION: format_duration(_SAMPLE_DURATION_S),
        Variable.ENTERPRISE: enterprise_name,
    }


def format_time(at: datetime, place: tzinfo) -> str:
    """When a call began, as a message tells it."""
    return at.astimezone(place).strftime(_TIME_FORMAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCall:
    """What a message tells of its call. Numbers are E.164."""

    sponsor: str
    caller: str
    callee: str
    begun_at: datetime
    duration_s: int

    def number(self, side: Side) -> str:
        return self.caller if side is Side.CALLER else self.callee


def fill_of_call(
    call: EndedCall, side: Side, enterprise_name: str, place: tzinfo
) -> dict[str, str]:
    """The variables of the message to that side of a call that is over."""
    return {
        Variable.SPONSOR: call.sponsor,
        Variable.OTHER: mask_number(call.number(side.other)),
        Variable.TIME: format_time(call.begun_at, place),
        Variable.DURATION: format_duration(call.duration_s),
        Variable.ENTERPRISE: enterprise_name,
    }


def format_duration(seconds: int) -> str:
    """Minutes and seconds: `3:07`."""
    return f"{seconds // 60}:{seconds % 60:02d}"


def _check_value(name: str, value: str) -> None:
    if not _VARIABLE.fullmatch(f"{{{name}}}"):
        raise TemplateError("a value's name is 1-32 small letters, digits and underscores")
    if name in set(Variable):
        raise TemplateError(worded("%(name)s is a variable of the platform's", name=name))
    if len(value) > VALUE_CHARACTERS_MAX:
        raise TemplateError(
            worded("a value may have %(most)s characters", most=VALUE_CHARACTERS_MAX)
        )
    _check_characters(value, "a value", allowed="\n")


def _check_characters(text: str, what: str, *, allowed: str) -> None:
    # Control characters and lone surrogates have no place in a message, a header or a database.
    if any(char not in allowed and unicodedata.category(char) in _UNFIT for char in text):
        raise TemplateError(worded("%(what)s has a character that cannot be printed", what=what))
