"""What may be wished for a call beyond who talks to whom.

v1's request carries none of these, so they come from the application's settings.
"""

from dataclasses import dataclass
from enum import StrEnum

from clicktodial.domain.cause import Side


class Ringback(StrEnum):
    """What the caller hears while the callee rings.

    TONE_OR_NETWORK is a ringing tone until the callee's network sends audio of its own, TONE is
    that tone whatever the network sends, and NETWORK is nothing but what the network sends.
    """

    TONE_OR_NETWORK = "tone-or-network"
    TONE = "tone"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Audio to play, by its name: "ringback", "warning" or one of the operator's own. Repeated
    until stopped, or once."""

    audio: str
    repeats: bool = False


class PresenceProof(StrEnum):
    """What shows that a person answered the caller's phone, before the callee is rung.

    KEY is any key, MACHINE_DETECTION what is said there; KEY_AND_DETECTION is a key, and an end
    at once where a machine is heard.
    """

    NONE = "none"
    KEY = "key"
    MACHINE_DETECTION = "machine-detection"
    KEY_AND_DETECTION = "key-and-detection"

    @property
    def needs_key(self) -> bool:
        return self in (PresenceProof.KEY, PresenceProof.KEY_AND_DETECTION)

    @property
    def detects_machines(self) -> bool:
        return self in (PresenceProof.MACHINE_DETECTION, PresenceProof.KEY_AND_DETECTION)


class AnswerVerdict(StrEnum):
    """Who seems to have answered a phone."""

    HUMAN = "human"
    MACHINE = "machine"
    SILENCE = "silence"


RINGBACK_PROMPT = Prompt("ringback", repeats=True)
WARNING_PROMPT = Prompt("warning")
# Three rising tones and a pause: something is wanted of whoever hears it.
PRESENCE_PROMPT = Prompt("presence", repeats=True)
# A quiet tone now and then: the other is still there.
HOLD_PROMPT = Prompt("hold", repeats=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """An application's options for its calls. None leaves the platform's; times in seconds.

    Numbers are E.164 with plus; `shown_to_*` None shows the sponsor. With `hides_number` both
    parties see no number at all (RFC 3323). `max_duration_s` can only be less than the
    platform's and is not lifted by Continue. `warning_before_end_s` 0 warns nobody.

    `announcement` is heard by `announcement_to` when the callee has answered, before the two are
    joined: that the call is recorded, say. `*_audio` are played in place of the built-in tones.
    `presence_audio` is repeated to a caller of whom a `presence` proof is wanted, for at most
    `presence_timeout_s`; `hold_audio` to a side on hold. All these are names of the operator's own
    audio.
    """

    shown_to_caller: str | None = None
    shown_to_callee: str | None = None
    hides_number: bool = False
    caller_ring_timeout_s: int | None = None
    callee_ring_timeout_s: int | None = None
    max_duration_s: int | None = None
    warning_before_end_s: int = 0
    warning_to: frozenset[Side] = frozenset({Side.CALLER})
    ringback: Ringback = Ringback.TONE_OR_NETWORK
    announcement: str | None = None
    announcement_to: frozenset[Side] = frozenset(Side)
    ringback_audio: str | None = None
    warning_audio: str | None = None
    presence: PresenceProof = PresenceProof.NONE
    presence_audio: str | None = None
    presence_timeout_s: int = 15
    hold_audio: str | None = None

    @property
    def ringback_prompt(self) -> Prompt:
        """What is played to the caller while the callee rings."""
        if self.ringback_audio is None:
            return RINGBACK_PROMPT
        return Prompt(self.ringback_audio, repeats=True)

    @property
    def warning_prompt(self) -> Prompt:
        """What is played before the end."""
        return WARNING_PROMPT if self.warning_audio is None else Prompt(self.warning_audio)

    @property
    def presence_prompt(self) -> Prompt:
        """What asks the caller for a key."""
        if self.presence_audio is None:
            return PRESENCE_PROMPT
        return Prompt(self.presence_audio, repeats=True)

    @property
    def hold_prompt(self) -> Prompt:
        """What a side on hold hears."""
        return HOLD_PROMPT if self.hold_audio is None else Prompt(self.hold_audio, repeats=True)

    @property
    def plays_what_must_be_heard(self) -> bool:
        """Whether a side whose codec nothing can be played in would miss more than a tone."""
        return (
            self.announcement is not None
            or self.presence.needs_key
            or (self.warning_before_end_s > 0 and bool(self.warning_to))
        )

    def shown_to(self, side: Side) -> str | None:
        """The number that this side is shown in place of the sponsor."""
        return self.shown_to_caller if side is Side.CALLER else self.shown_to_callee


DEFAULT_OPTIONS = CallOptions()
