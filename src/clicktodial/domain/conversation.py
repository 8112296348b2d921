"""What may be done to two joined parties: who is muted, who waits, whether it is recorded.

None of it moves the call's state: call.py asks for it in the states in which it may be had, and
hands on the effects. Each method returns those that bring the relay from what holds to what is
wanted, so that asking for what holds already asks the relay for nothing.
"""

from dataclasses import dataclass

from clicktodial.domain.call_effect import (
    Effect,
    PauseRecording,
    Play,
    ResumeRecording,
    SetMuted,
    SetPatient,
    StopPlaying,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.plan import Prompt

_NOBODY: frozenset[Side] = frozenset()
_BOTH = frozenset(Side)


@dataclass(slots=True)
class Conversation:
    """One conversation. `muted` and `held` are what was asked for, side by side: who is muted
    stays so while and after anybody waits."""

    hold_prompt: Prompt
    muted: frozenset[Side] = _NOBODY
    held: frozenset[Side] = _NOBODY
    is_recording_paused: bool = False
    # What the relay was told: whom to silence, who hears the hold prompt, whether to be patient.
    _silenced: frozenset[Side] = _NOBODY
    _hearing_hold_prompt: frozenset[Side] = _NOBODY
    _is_patient: bool = False
    # Parties that hold the other by their own phones (RFC 3264 8.4).
    _holding: frozenset[Side] = _NOBODY

    def mute(self, side: Side, *, muted: bool) -> list[Effect]:
        """Keep what that side says from the other, or no longer."""
        self.muted = self.muted | {side} if muted else self.muted - {side}
        return self._settle()

    def hold(self, side: Side, *, held: bool) -> list[Effect]:
        """Let that side wait, or no longer."""
        if held == (side in self.held):
            return []
        if held:
            self.held |= {side}
            # Silenced before the prompt begins, and until it has stopped.
            return [*self._settle(), *self._play_hold_prompt(side)]
        self.held -= {side}
        effects: list[Effect] = []
        if side in self._hearing_hold_prompt:
            self._hearing_hold_prompt -= {side}
            effects.append(StopPlaying(side))
        return [*effects, *self._settle()]

    def note_hold_by_party(self, side: Side, *, holds: bool) -> list[Effect]:
        """That side's phone holds the other, or no longer."""
        self._holding = self._holding | {side} if holds else self._holding - {side}
        return self._settle()

    def pause_recording(self, *, paused: bool) -> list[Effect]:
        """Record nothing for a while, or again."""
        if paused == self.is_recording_paused:
            return []
        self.is_recording_paused = paused
        return [PauseRecording() if paused else ResumeRecording()]

    def warn(self, side: Side, prompt: Prompt) -> list[Effect]:
        """Let that side hear the prompt once; one that waits hears the hold prompt after it."""
        self._hearing_hold_prompt -= {side}
        return [Play(side, prompt, tells_end=side in self.held)]

    def on_prompt_ended(self, side: Side) -> list[Effect]:
        """A prompt that was not the hold prompt is over."""
        if side in self.held and side not in self._hearing_hold_prompt:
            return self._play_hold_prompt(side)
        return []

    def end(self) -> None:
        """Nobody is muted or waits in a call that is over; its relay is closed."""
        self.muted = self.held = self._silenced = self._hearing_hold_prompt = _NOBODY
        self._holding = _NOBODY
        self._is_patient = self.is_recording_paused = False

    def _play_hold_prompt(self, side: Side) -> list[Effect]:
        self._hearing_hold_prompt |= {side}
        return [Play(side, self.hold_prompt)]

    def _settle(self) -> list[Effect]:
        # Who waits neither hears the other nor is heard, whichever of the two it is.
        silenced = _BOTH if self.held else self.muted
        effects: list[Effect] = [
            SetMuted(side, side in silenced)
            for side in Side
            if (side in silenced) != (side in self._silenced)
        ]
        self._silenced = silenced
        patient = bool(self.held or self._holding)
        if patient != self._is_patient:
            self._is_patient = patient
            effects.append(SetPatient(patient))
        return effects
