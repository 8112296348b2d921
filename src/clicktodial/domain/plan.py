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


RINGBACK_PROMPT = Prompt("ringback", repeats=True)
WARNING_PROMPT = Prompt("warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """An application's options for its calls. None leaves the platform's; times in seconds.

    Numbers are E.164 with plus; `shown_to_*` None shows the sponsor. With `hides_number` both
    parties see no number at all (RFC 3323). `max_duration_s` can only be less than the
    platform's and is not lifted by Continue. `warning_before_end_s` 0 warns nobody.

    `announcement` is heard by `announcement_to` when the callee has answered, before the two are
    joined: that the call is recorded, say. `*_audio` are played in place of the built-in tones.
    All three are names of the operator's own audio.
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

    def shown_to(self, side: Side) -> str | None:
        """The number that this side is shown in place of the sponsor."""
        return self.shown_to_caller if side is Side.CALLER else self.shown_to_callee


DEFAULT_OPTIONS = CallOptions()
