"""Options of the call that is tried: what is not chosen is as the application has it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clicktodial.domain.application import Application
from clicktodial.domain.plan import CallOptions, PresenceProof, Ringback
from clicktodial.portal.call_option import PROOFS, RINGBACKS, choices
from clicktodial.portal.form import Form
from clicktodial.portal.needs import CallDefaults
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark
from clicktodial.storage.error import ValueInvalid
from clicktodial.storage.options_codec import PRESENCE_TIMEOUT_S_MAX, check_options
from clicktodial.storage.value import DURATION_S_MAX

# Of the audio library, and what it is called where none is to be heard.
NOTHING = "-"
OPTION_FIELDS = (
    "caller_ring_timeout_s",
    "callee_ring_timeout_s",
    "max_duration_s",
    "ringback",
    "presence",
    "presence_timeout_s",
    "announcement",
    "warning_before_end_s",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a call of that application may have at most, in seconds, and has without a choice."""

    ring_timeout_s: int
    max_duration_s: int
    caller_rings_s: int
    callee_rings_s: int


def bounds_of(application: Application, defaults: CallDefaults) -> Bounds:
    """By the limits of its enterprise, the application's own, and the server's settings."""
    limits, options = application.limits, application.options
    ring_most = limits.ring_timeout_s_max or DURATION_S_MAX
    caller_rings_s = options.caller_ring_timeout_s or defaults.caller_ring_timeout_s
    callee_rings_s = options.callee_ring_timeout_s or defaults.callee_ring_timeout_s
    talk = (limits.max_duration_s, application.max_duration_s, defaults.max_duration_s)
    return Bounds(
        ring_timeout_s=ring_most,
        max_duration_s=min(each for each in talk if each),
        caller_rings_s=min(caller_rings_s, ring_most),
        callee_rings_s=min(callee_rings_s, ring_most),
    )


def read_options(
    form: Form, application: Application, bounds: Bounds, audios: Sequence[str]
) -> CallOptions | None:
    """Those of the application with what was chosen laid over; None where nothing was chosen.
    What does not fit is noted in the form."""
    chosen: dict[str, Any] = {}
    for name, least, most in (
        ("caller_ring_timeout_s", 1, bounds.ring_timeout_s),
        ("callee_ring_timeout_s", 1, bounds.ring_timeout_s),
        ("max_duration_s", 1, bounds.max_duration_s),
        ("presence_timeout_s", 1, PRESENCE_TIMEOUT_S_MAX),
        ("warning_before_end_s", 0, bounds.max_duration_s),
    ):
        chosen[name] = form.whole(name, least=least, most=most, is_required=False)
    chosen["ringback"] = form.one_of("ringback", Ringback, is_required=False)
    chosen["presence"] = form.one_of("presence", PresenceProof, is_required=False)
    chosen = {name: value for name, value in chosen.items() if value is not None}
    announcement = form.text("announcement", is_required=False)
    if announcement == NOTHING:
        chosen["announcement"] = None
    elif announcement in audios:
        chosen["announcement"] = announcement
    elif announcement:
        form.fail("announcement", mark("There is no such audio any more."))
    if not chosen or not form.is_valid:
        return None
    options = replace(application.options, **chosen)
    try:
        check_options(options, application.sponsors)
    except ValueInvalid as error:
        form.refuse_as(error)
    return options


def describe_options(
    visit: Visit,
    form: Form,
    application: Application | None,
    defaults: CallDefaults,
    audios: Sequence[str],
) -> dict[str, Any]:
    """What the template shows of them."""
    if application is None:
        return {"has_options": False}
    nothing = visit.words.look_up(mark("None"))
    return {
        "has_options": True,
        "bounds": bounds_of(application, defaults),
        "own_options": application.options,
        "ringback_options": [each[:2] for each in choices(visit, RINGBACKS)],
        "presence_options": [each[:2] for each in choices(visit, PROOFS)],
        "announcement_options": [(NOTHING, nothing), *((each, each) for each in audios)],
        "is_options_open": any(form.value(name) or form.error(name) for name in OPTION_FIELDS),
    }
