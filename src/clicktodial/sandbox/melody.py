"""Each phone's melody, made of its number, and the ear that reads the number back.

The last six digits of a number are six notes of a pentatonic scale, one a beat, then two beats
of rest; then again. The scale lies in one of two registers an octave apart, by the digits
themselves, so that two phones rarely sound alike. Because the notes spell the digits, whoever
hears a melody knows whose it is without having been told who might be speaking, which is what
makes "each phone heard the other" a proof.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 8000
MELODY_DIGITS = 6
_BEAT_SAMPLES = SAMPLE_RATE // 5
_REST_BEATS = 2
_BEATS = MELODY_DIGITS + _REST_BEATS
PERIOD_SAMPLES = _BEATS * _BEAT_SAMPLES

# C D E G A from C4 to A6: no two notes of it clash, whoever speaks at the same time.
_SEMITONES_ABOVE_C = (0, 2, 4, 7, 9)
_C4_HZ = 261.6256
NOTES_HZ: tuple[float, ...] = tuple(
    _C4_HZ * 2 ** (octave + semitone / 12) for octave in range(3) for semitone in _SEMITONES_ABOVE_C
)
_HIGH_REGISTER = len(_SEMITONES_ABOVE_C)
_DIGITS = 10

# A plucked note: quick attack, decay within its beat, so that repeated digits stay apart.
_ATTACK_SAMPLES = 48
_RELEASE_SAMPLES = 160
_DECAY_S = 0.09
# Half of full scale leaves room for partials and never clips.
_PEAK = 0.5
# Relative strengths of the partials; the fundamental leads, or an octave could be misread.
_TIMBRES = ((1.0, 0.16, 0.05), (1.0, 0.04, 0.0, 0.16), (1.0, 0.24, 0.1, 0.04))
_MELODIES_CACHED = 1024

# The ear works in steps of 20 ms with windows of 100 ms: 10 Hz apart, the closest notes 32 Hz.
_HOP_SAMPLES = 160
_WINDOW_SAMPLES = 800
_HOPS_PER_BEAT = _BEAT_SAMPLES // _HOP_SAMPLES
_PERIOD_HOPS = _BEATS * _HOPS_PER_BEAT
_MATCH_WINDOW_HOPS = 2 * _PERIOD_HOPS
# Of all the energy, so much must lie in one note a beat and none in the rests. Melodies with a
# tenth of their packets lost reach 0.63; noise, speech and steady tones stay below 0.2.
CONFIDENCE_MIN = 0.5
# A note may be damped by loss, yet not be missing.
_NOTE_SHARE_MIN = 0.1
# Mean square below which it is silence: about -50 dB of full scale.
_SILENCE_POWER = 1e-5
# Longer audio is judged by its last part.
IDENTIFY_SAMPLES_MAX = 12 * SAMPLE_RATE

_TONES_MAX = 6
_TONE_FLOOR_DB = 18.0
_TONE_GAP_HZ = 12.0

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Identification:
    """A melody that was heard: the six digits it spells, and how surely, from 0 to 1."""

    digits: str
    confidence: float


def melody_digits(number: str) -> str:
    """The six digits that the phone with that number plays."""
    digits = "".join(character for character in number if character in "0123456789")
    return digits[-MELODY_DIGITS:].rjust(MELODY_DIGITS, "0")


def melody_notes_hz(number: str) -> tuple[float, ...]:
    """The six notes of that phone, in the order in which it plays them."""
    digits = melody_digits(number)
    lowest = _register_of(digits)
    return tuple(NOTES_HZ[lowest + int(digit)] for digit in digits)


def _register_of(digits: str) -> int:
    # An octave changes a digit's reading by 5; the sum of two changes by 10, its parity never.
    # So of the two readings of a melody only one agrees with its own register.
    return _HIGH_REGISTER if (int(digits[0]) + int(digits[-1])) % 2 else 0


@lru_cache(maxsize=_MELODIES_CACHED)
def render_melody(digits: str) -> Samples:
    """One period of the melody that spells these six digits, in -1..1 at 8 kHz; read-only."""
    partials = _TIMBRES[int(digits) % len(_TIMBRES)]
    period = np.zeros(PERIOD_SAMPLES, np.float32)
    lowest = _register_of(digits)
    for beat, digit in enumerate(digits):
        note = _render_note(NOTES_HZ[lowest + int(digit)], partials)
        period[beat * _BEAT_SAMPLES : (beat + 1) * _BEAT_SAMPLES] = note
    period.setflags(write=False)
    return period


def _render_note(frequency_hz: float, partials: tuple[float, ...]) -> Samples:
    time_s = np.arange(_BEAT_SAMPLES) / SAMPLE_RATE
    tone = np.zeros(_BEAT_SAMPLES)
    for index, strength in enumerate(partials, start=1):
        if frequency_hz * index < SAMPLE_RATE / 2:
            tone += strength * np.sin(2 * np.pi * frequency_hz * index * time_s)
    envelope = np.exp(-time_s / _DECAY_S)
    envelope[:_ATTACK_SAMPLES] *= np.linspace(0, 1, _ATTACK_SAMPLES)
    envelope[-_RELEASE_SAMPLES:] *= np.linspace(1, 0, _RELEASE_SAMPLES)
    return (_PEAK / sum(partials) * tone * envelope).astype(np.float32)


def identify_melody(samples: Samples) -> Identification | None:
    """The melody in this audio (-1..1, 8 kHz, from any point on), or None where there is none.

    Needs one whole period, 1.6 s; of audio longer than 12 s only the last 12 s are judged.
    """
    if len(samples) < PERIOD_SAMPLES:
        return None
    power, total = _note_power(samples[-IDENTIFY_SAMPLES_MAX:])
    best: Identification | None = None
    for start in range(0, max(1, len(total) - _PERIOD_HOPS + 1), _PERIOD_HOPS):
        window = slice(start, start + _MATCH_WINDOW_HOPS)
        found = _identify_window(power[window], total[window])
        if found is not None and (best is None or found.confidence > best.confidence):
            best = found
    return best


def _note_power(samples: Samples) -> tuple[Samples, Samples]:
    """Per hop the power at each note and the whole power, on one scale."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES)[::_HOP_SAMPLES]
    spectrum = windows @ _note_kernels()
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    hann = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
    total = (windows**2 @ hann**2).astype(np.float32)
    return power, total


@lru_cache(maxsize=1)
def _note_kernels() -> npt.NDArray[np.complex64]:
    """Columns that project a window on each note, scaled so that a pure tone yields its power."""
    hann = np.hanning(_WINDOW_SAMPLES)
    time_s = np.arange(_WINDOW_SAMPLES) / SAMPLE_RATE
    phases = np.exp(-2j * np.pi * np.outer(time_s, np.array(NOTES_HZ)))
    # A sine of amplitude a: |projection|^2 = (a/2 * sum(hann))^2, windowed energy a^2/2 * S2.
    scale = np.sqrt(2 * np.sum(hann**2)) / np.sum(hann)
    return np.asarray(hann[:, None] * phases * scale, np.complex64)


def _identify_window(power: Samples, total: Samples) -> Identification | None:
    if len(total) < _PERIOD_HOPS or float(total.mean()) < _SILENCE_POWER * _WINDOW_SAMPLES:
        return None
    folded = _fold(power)
    energy = _fold(total[:, None])[:, 0]
    # Rotation r takes the melody to begin at hop r: beats[r] is (beat, note).
    order = (np.arange(_PERIOD_HOPS)[:, None] + np.arange(_PERIOD_HOPS)) % _PERIOD_HOPS
    shape = (_PERIOD_HOPS, _BEATS, _HOPS_PER_BEAT)
    beats = folded[order].reshape(*shape, len(NOTES_HZ)).sum(axis=2)[:, :MELODY_DIGITS]
    share = beats / energy.sum()
    rests = energy[order].reshape(shape).sum(axis=2)[:, MELODY_DIGITS:].sum(axis=1)
    rest_share = rests / energy.sum()
    candidates = (_best_in_register(share, rest_share, low) for low in (0, _HIGH_REGISTER))
    found = [candidate for candidate in candidates if candidate is not None]
    return max(found, key=lambda candidate: candidate.confidence, default=None)


def _fold(hops: Samples) -> Samples:
    """The mean over the periods, the last of which may be cut short; shape (period, columns)."""
    count, columns = hops.shape
    periods = -(-count // _PERIOD_HOPS)
    padded = np.zeros((periods * _PERIOD_HOPS, columns), np.float32)
    padded[:count] = hops
    heard = np.full(_PERIOD_HOPS, periods, np.float32)
    heard[count - (periods - 1) * _PERIOD_HOPS :] -= 1
    folded = padded.reshape(periods, _PERIOD_HOPS, columns).sum(axis=0) / heard[:, None]
    return np.asarray(folded, np.float32)


def _best_in_register(share: Samples, rest_share: Samples, lowest: int) -> Identification | None:
    notes = share[:, :, lowest : lowest + _DIGITS]
    strongest = notes.max(axis=2)
    # A steady tone is as loud in the rests; counted three times over they cancel it to nothing.
    scores = strongest.sum(axis=1) - MELODY_DIGITS / _REST_BEATS * rest_share
    rotation = int(scores.argmax())
    confidence = float(scores[rotation])
    if confidence < CONFIDENCE_MIN:
        return None
    if strongest[rotation].min() < _NOTE_SHARE_MIN * strongest[rotation].mean():
        return None
    digits = "".join(str(int(digit)) for digit in notes[rotation].argmax(axis=1))
    if _register_of(digits) != lowest:
        return None
    return Identification(digits, min(1.0, confidence))


def dominant_tones_hz(samples: Samples) -> tuple[int, ...]:
    """Up to six frequencies that lead the spectrum, strongest first; empty for silence."""
    samples = samples[-IDENTIFY_SAMPLES_MAX:]
    if len(samples) < _WINDOW_SAMPLES or float(np.mean(samples**2)) < _SILENCE_POWER:
        return ()
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)).astype(np.float32)))
    hz_per_bin = SAMPLE_RATE / len(samples)
    gap = max(1, round(_TONE_GAP_HZ / hz_per_bin))
    floor = float(spectrum.max()) * 10 ** (-_TONE_FLOOR_DB / 20)
    tones: list[int] = []
    for _ in range(_TONES_MAX):
        peak = int(spectrum.argmax())
        if spectrum[peak] < floor:
            break
        tones.append(round(peak * hz_per_bin))
        spectrum[max(0, peak - gap) : peak + gap + 1] = 0
    return tuple(tones)
