"""Who answered a phone, from how the first seconds sound: the call-progress method of PBXs.

A person says a word or a few, and then waits for an answer. A machine recites, and beeps. So the
audio is cut into words, runs of loud frames, and the verdict is

    HUMAN    a greeting of no more than GREETING_SECONDS_MAX and WORDS_MAX, and then
             PAUSE_SECONDS without a word
    MACHINE  a greeting that is longer or has more words, or a tone of BEEP_SECONDS
    SILENCE  no word for SILENCE_SECONDS

Loud is what stands out of the noise, and noise is the quietest that was heard of late: a street is
as loud as a voice, and does not pause. What the method cannot tell is known: a person who recites
("Smith and Sons, good morning, how may I help you?") is a machine, and a machine that pauses after
its first word is a person.

Time is that of the audio: nothing here looks at a clock.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from clicktodial.control.port import AnswerVerdict
from clicktodial.media.g711 import SAMPLE_RATE_HZ, Pcm

FRAME_SAMPLES = SAMPLE_RATE_HZ // 50
_FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE_HZ
# "Hello, this is Anna speaking" takes 2 s; announcements of voicemails take from 3 s on.
GREETING_SECONDS_MAX = 2.4
# A greeting of that length has five words as they are cut here, syllables run together.
WORDS_MAX = 6
# Whoever waits for an answer waits longer than the gaps within a sentence, 0.5 s at most.
PAUSE_SECONDS = 0.8
# Nobody holds a phone for so long without a word; the one who called hears nothing either.
SILENCE_SECONDS = 4.0
# Voicemail beeps last 0.2 s to 1 s.
BEEP_SECONDS = 0.16
# 3 dB from its beginning: a machine's tone is as loud all the time. What glides, swells or fades is
# a voice, a whistle or a string.
BEEP_LEVEL_RATIO = 1.4
# Below lie hum and the fundamental of a voice, above nothing that machines beep with.
BEEP_HZ_MIN = 350.0
BEEP_HZ_MAX = 2_600.0
# A syllable lasts longer; clicks of a handset do not.
WORD_SECONDS_MIN = 0.1
# A shorter gap is a plosive within a word.
GAP_SECONDS = 0.06
# -46 dBFS: quieter is noise, in the quietest room and through the worst line.
LOUD_RMS_MIN = 160.0
# 8 dB: what a voice has over what is behind it, where it can be understood at all.
LOUD_NOISE_RATIO = 2.5
# Speech pauses for a frame at least as often as this.
NOISE_WINDOW_SECONDS = 1.2
# Of a tone's energy so much lies within its peak; of a vowel's much less, spread on harmonics.
_TONE_SHARE_MIN = 0.92
# The peak of a windowed tone is so many bins wide to either side, of 25 Hz each.
_TONE_BINS = 2
_WINDOW_SAMPLES = 2 * FRAME_SAMPLES

Floats = npt.NDArray[np.float64]


class AnswerDetector:
    """Fed with audio of 8 kHz from the moment of the answer, it comes to one verdict."""

    def __init__(self) -> None:
        self.verdict: AnswerVerdict | None = None
        self._rest: Pcm = np.zeros(0, dtype=np.int16)
        self._levels: deque[float] = deque(maxlen=round(NOISE_WINDOW_SECONDS / _FRAME_SECONDS))
        self._frames = 0
        self._word_begin: int | None = None
        self._last_loud = 0
        self._words = 0
        self._greeting_begin = 0
        self._greeting_end = 0
        self._tone = _ToneDetector()

    def receive(self, pcm: Pcm) -> AnswerVerdict | None:
        """Take audio of any length; the verdict at the moment that it is come to, else None."""
        if self.verdict is not None:
            return None
        samples = np.concatenate([self._rest, pcm])
        count = len(samples) // FRAME_SAMPLES
        self._rest = samples[count * FRAME_SAMPLES :]
        for frame in samples[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES):
            self.verdict = self._receive_frame(frame.astype(np.float64))
            if self.verdict is not None:
                break
        return self.verdict

    def _receive_frame(self, frame: Floats) -> AnswerVerdict | None:
        self._frames += 1
        level = float(np.sqrt(np.mean(frame * frame)))
        self._levels.append(level)
        if self._tone.receive(frame, level):
            return AnswerVerdict.MACHINE
        if level > max(LOUD_RMS_MIN, LOUD_NOISE_RATIO * min(self._levels)):
            self._receive_loud()
        elif self._word_begin is not None and self._quiet_seconds > GAP_SECONDS:
            self._word_begin = None
        return self._judge()

    @property
    def _quiet_seconds(self) -> float:
        return (self._frames - self._last_loud) * _FRAME_SECONDS

    def _receive_loud(self) -> None:
        if self._word_begin is None:
            self._word_begin = self._frames
        length_seconds = (self._frames - self._word_begin + 1) * _FRAME_SECONDS
        was_word = length_seconds - _FRAME_SECONDS >= WORD_SECONDS_MIN - _FRAME_SECONDS / 2
        is_word = length_seconds >= WORD_SECONDS_MIN - _FRAME_SECONDS / 2
        if is_word and not was_word:
            if self._words == 0:
                self._greeting_begin = self._word_begin
            self._words += 1
        if is_word:
            self._greeting_end = self._frames
        self._last_loud = self._frames

    def _judge(self) -> AnswerVerdict | None:
        if self._words == 0:
            is_silent = self._frames * _FRAME_SECONDS >= SILENCE_SECONDS
            return AnswerVerdict.SILENCE if is_silent else None
        greeting_seconds = (self._greeting_end - self._greeting_begin + 1) * _FRAME_SECONDS
        if greeting_seconds > GREETING_SECONDS_MAX or self._words > WORDS_MAX:
            return AnswerVerdict.MACHINE
        pause_seconds = (self._frames - self._greeting_end) * _FRAME_SECONDS
        return AnswerVerdict.HUMAN if pause_seconds >= PAUSE_SECONDS else None


class _ToneDetector:
    """Whether one pure tone has sounded for BEEP_SECONDS."""

    def __init__(self) -> None:
        self._window = np.hanning(_WINDOW_SAMPLES)
        self._previous: Floats = np.zeros(FRAME_SAMPLES)
        self._bin = 0
        self._level = 0.0
        self._frames = 0

    def receive(self, frame: Floats, level: float) -> bool:
        samples = np.concatenate([self._previous, frame])
        self._previous = frame
        peak = self._find_tone(samples) if level > LOUD_RMS_MIN else None
        if peak is None:
            self._frames = 0
            return False
        is_steady = self._level / BEEP_LEVEL_RATIO <= level <= self._level * BEEP_LEVEL_RATIO
        if self._frames == 0 or abs(peak - self._bin) > 1 or not is_steady:
            self._frames, self._bin, self._level = 0, peak, level
        self._frames += 1
        return self._frames * _FRAME_SECONDS >= BEEP_SECONDS

    def _find_tone(self, samples: Floats) -> int | None:
        """The bin of the tone that is all that sounds, or None."""
        power = np.abs(np.fft.rfft(samples * self._window)) ** 2
        power[0] = 0.0
        total = float(power.sum())
        peak = int(np.argmax(power))
        frequency_hz = peak * SAMPLE_RATE_HZ / _WINDOW_SAMPLES
        if total == 0.0 or not BEEP_HZ_MIN <= frequency_hz <= BEEP_HZ_MAX:
            return None
        within = power[max(0, peak - _TONE_BINS) : peak + _TONE_BINS + 1]
        return peak if float(within.sum()) >= _TONE_SHARE_MIN * total else None
