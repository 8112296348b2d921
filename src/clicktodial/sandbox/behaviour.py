"""What the sandbox's phones do, by the last two digits of the number dialled.

A behaviour is a list of steps that `phone.Phone` walks through; this table is the only place
where a phone's character is written down. `docs/sandbox.md` prints it, and a test holds the two
together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

SUFFIX_DIGITS = 2


class Speech(StrEnum):
    """What a phone says once it is answered."""

    MELODY = "melody"
    VOICEMAIL = "voicemail"
    HELLO = "hello"


@dataclass(frozen=True, slots=True)
class Ring:
    """Send 180 Ringing."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Send 183 with SDP and speak an announcement before the answer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Send 200 and speak."""

    speech: Speech = Speech.MELODY


@dataclass(frozen=True, slots=True)
class Refuse:
    """Send a final refusal."""

    status: int
    phrase: str


@dataclass(frozen=True, slots=True)
class PressKey:
    """Press a key: an RFC 4733 telephone-event."""

    key: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Send BYE."""


Step: TypeAlias = Ring | Announce | Wait | Answer | Refuse | PressKey | HangUp


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A phone's character. Without steps the phone never responds, not even with 100.

    `description` is what the documentation's table says.
    """

    name: str
    description: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Timings:
    """The waits of the table, in seconds, so that a test need not spend them."""

    answer_s: float = 1.0
    late_answer_s: float = 8.0
    talk_s: float = 5.0
    announcement_s: float = 2.0
    key_s: float = 2.0


NORMAL_TIMINGS = Timings()


@dataclass(frozen=True, slots=True)
class NumberingPlan:
    """Which number behaves how. `special` is keyed by the last two digits."""

    default: Behaviour
    special: Mapping[str, Behaviour]

    def behaviour_of(self, number: str) -> Behaviour:
        """The behaviour of the phone with that number."""
        return self.special.get(number[-SUFFIX_DIGITS:], self.default)


def create_numbering_plan(timings: Timings = NORMAL_TIMINGS) -> NumberingPlan:
    """The sandbox's table. The descriptions tell the normal timings."""
    ring_then_answer: tuple[Step, ...] = (Ring(), Wait(timings.answer_s), Answer())
    return NumberingPlan(
        default=Behaviour("answers", "Rings, answers after 1 s", ring_then_answer),
        special={
            "01": Behaviour("busy", "Busy: 486", (Refuse(486, "Busy Here"),)),
            "02": Behaviour("rings-on", "Rings on and never answers", (Ring(),)),
            "03": Behaviour("declines", "Rings, declines after 1 s: 603", (
                Ring(), Wait(timings.answer_s), Refuse(603, "Decline"),
            )),
            "04": Behaviour("unknown", "Does not exist: 404", (Refuse(404, "Not Found"),)),
            "05": Behaviour("unavailable", "Is unavailable: 480", (
                Refuse(480, "Temporarily Unavailable"),
            )),
            "06": Behaviour("hangs-up", "Answers after 1 s, hangs up 5 s later", (
                *ring_then_answer, Wait(timings.talk_s), HangUp(),
            )),
            "07": Behaviour(
                "early-media", "Announces for 2 s before it answers: 183 with audio", (
                    Announce(), Wait(timings.announcement_s), Answer(),
                ),
            ),
            "08": Behaviour("voicemail", "Answers after 1 s as a voicemail: greeting, then beep", (
                Ring(), Wait(timings.answer_s), Answer(Speech.VOICEMAIL),
            )),
            "09": Behaviour("late", "Rings, answers after 8 s", (
                Ring(), Wait(timings.late_answer_s), Answer(),
            )),
            "10": Behaviour("silent", "Never responds to the INVITE, not even with 100", ()),
            "11": Behaviour("presses-key", "Answers after 1 s, presses key 1 2 s later", (
                *ring_then_answer, Wait(timings.key_s), PressKey("1"),
            )),
            "12": Behaviour("says-hello", "Answers after 1 s with a hello, and talks 2 s later", (
                Ring(), Wait(timings.answer_s), Answer(Speech.HELLO),
            )),
        },
    )  # fmt: skip
