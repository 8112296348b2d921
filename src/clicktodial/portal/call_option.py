"""How calls go, in words: what several parts of the console offer to choose from."""

from collections.abc import Mapping
from typing import Any

from clicktodial.domain.plan import PresenceProof, Ringback
from clicktodial.portal.page import Visit
from clicktodial.portal.text import mark

RINGBACKS = {
    Ringback.TONE_OR_NETWORK: (
        mark("Tone, then the network"),
        mark("A ringing tone until the callee's network sends audio of its own."),
    ),
    Ringback.TONE: (mark("Tone alone"), mark("That tone, whatever the network sends.")),
    Ringback.NETWORK: (
        mark("Network alone"),
        mark("What the callee's network sends, and silence where it sends nothing."),
    ),
}
PROOFS = {
    PresenceProof.NONE: (
        mark("None"),
        mark("The callee is rung as soon as the caller's phone answers."),
    ),
    PresenceProof.KEY: (mark("A key"), mark("The caller presses any key first.")),
    PresenceProof.MACHINE_DETECTION: (
        mark("Listening"),
        mark("What is said at the caller's end must sound like a person, not like a voicemail."),
    ),
    PresenceProof.KEY_AND_DETECTION: (
        mark("A key, and listening"),
        mark("As with a key; and the call ends at once where a voicemail is heard."),
    ),
}


def choices(visit: Visit, words: Mapping[Any, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """For a field: values, their words and what they mean."""
    word = visit.words.look_up
    return [(value, word(name), word(hint)) for value, (name, hint) in words.items()]
