"""What may be wished for a call beyond who talks to whom: the options of click-to-dial services.

v1's request carries none of these, so they come from the application's settings; the management
API may give others for one call. Enterprises bound what their applications may ask for.
"""

from dataclasses import dataclass
from enum import StrEnum

from clicktodial.domain.cause import Side


class PresenceProof(StrEnum):
    """What must show that a person answered, before the callee is rung."""

    NONE = "none"
    KEY = "key"
    MACHINE_DETECTION = "machine-detection"
    BOTH = "both"

    @property
    def wants_key(self) -> bool:
        return self in (PresenceProof.KEY, PresenceProof.BOTH)

    @property
    def wants_detection(self) -> bool:
        return self in (PresenceProof.MACHINE_DETECTION, PresenceProof.BOTH)


class Ringback(StrEnum):
    """What the caller hears while the callee rings.

    NETWORK is the callee network's early media and silence until it comes; with TONE and AUDIO
    early media is not passed on.  TONE_OR_NETWORK is the tone until early media comes.
    """

    TONE_OR_NETWORK = "tone-or-network"
    TONE = "tone"
    AUDIO = "audio"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Audio to play: a built-in ("ringback", "warning", "press-key", "hold") or the identifier
    of an uploaded one. Repeated until stopped, or played once."""

    audio: str
    repeats: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """One call's options, or an application's defaults. None leaves the platform's.

    Numbers are E.164 with plus; `shown_to_*` None shows the sponsor. `*_audio` name uploaded or
    built-in audio. `warning_before_end_s` 0 warns nobody. Times are whole seconds.
    """

    shown_to_caller: str | None = None
    shown_to_callee: str | None = None
    hides_number: bool = False  # RFC 3323: both parties see no number at all
    caller_ring_timeout_s: int | None = None
    callee_ring_timeout_s: int | None = None
    max_duration_s: int | None = None
    warning_before_end_s: int = 0
    warning_audio: str | None = None
    warning_to: frozenset[Side] = frozenset({Side.CALLER})
    presence_proof: PresenceProof = PresenceProof.NONE
    presence_key: str = "1"
    presence_audio: str | None = None
    presence_timeout_s: int = 12
    ringback: Ringback = Ringback.TONE_OR_NETWORK
    ringback_audio: str | None = None
    announcement_audio: str | None = None
    announcement_to: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseLimits:
    """What an enterprise's applications may ask for at most. None leaves the platform's."""

    ring_timeout_s_max: int | None = None
    max_duration_s_max: int | None = None
    live_calls_max: int | None = None
