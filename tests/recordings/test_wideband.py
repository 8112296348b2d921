"""Recordings of G.722 and Opus, of codecs that change, of captures in parts, and their silence."""

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.audio.opus_stream import encode_opus
from tests.recordings.synthetic import START_US, Network, Packet, Sender, write_capture

from clicktodial.audio.g722 import encode_g722
from clicktodial.control.port import Capture
from clicktodial.media.g711 import encode_g711
from clicktodial.recordings import render as render_module
from clicktodial.recordings.capture import CaptureError, read_captures
from clicktodial.recordings.check import SPEECH_RMS_MIN
from clicktodial.recordings.render import Rendered, RenderJob, render_recording

PCMA, G722, OPUS = 8, 9, 111
NARROW_HZ, WIDE_HZ = 8_000, 16_000
PACKET_US = 20_000
# Codecs of two bands and of transforms are late by so much, and smear by less.
CODEC_DELAY_S = 0.012
CLOCKS = {PCMA: 160, G722: 160, OPUS: 960}

Pcm = np.ndarray[tuple[int], np.dtype[np.int16]]


def tone(frequency_hz: int, seconds: float, rate_hz: int, peak: int = 8_000) -> Pcm:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (peak * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.int16)


def silence(seconds: float, rate_hz: int) -> Pcm:
    return np.zeros(round(seconds * rate_hz), np.int16)


def send(
    pcm: Pcm,
    payload_type: int,
    *,
    begin_s: float = 0.0,
    sequence: int = 65_500,
    timestamp: int = 4_294_960_000,
    ssrc: int = 7,
) -> list[Packet]:
    """What a phone sends of audio (16 kHz; 8 for PCMA) from `begin_s` on, as it arrives."""
    if payload_type == OPUS:
        payloads = encode_opus(pcm, WIDE_HZ)
    else:
        coded = encode_g711(pcm, "PCMA") if payload_type == PCMA else encode_g722(pcm)
        payloads = [coded[at : at + 160] for at in range(0, len(coded) - 159, 160)]
    return [
        Packet(
            START_US + round(begin_s * 1e6) + (number + 1) * PACKET_US,
            (sequence + number) % 2**16,
            (timestamp + number * CLOCKS[payload_type]) % 2**32,
            payload,
            ssrc=ssrc,
            payload_type=payload_type,
        )
        for number, payload in enumerate(payloads)
    ]


def render(
    directory: Path, caller: list[Packet] | None, callee: list[Packet] | None
) -> tuple[Rendered, np.ndarray[tuple[int, int], np.dtype[np.int16]], int]:
    target = directory / "recording.wav"
    job = RenderJob(
        None if caller is None else write_capture(directory / "caller.rtp", caller),
        None if callee is None else write_capture(directory / "callee.rtp", callee),
        START_US / 1e6,
        str(target),
    )
    rendered = render_recording(job)
    pcm, rate_hz = soundfile.read(target, dtype="int16")
    return rendered, pcm, rate_hz


def strongest_hz(pcm: Pcm, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * rate_hz / len(pcm)


def sounds(channel: Pcm, rate_hz: int) -> list[tuple[float, float]]:
    """From when to when, in seconds, with gaps of less than 50 ms closed."""
    loud = np.flatnonzero(np.abs(channel.astype(int)) > 2_000) / rate_hz
    breaks = np.flatnonzero(np.diff(loud) > 0.05)
    begins, ends = loud[[0, *(breaks + 1)]], loud[[*breaks, -1]]
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


@pytest.mark.parametrize("payload_type", [G722, OPUS])
def test_wideband_side_is_recorded_in_its_band_and_place(tmp_path: Path, payload_type: int) -> None:
    parts = [silence(1, WIDE_HZ), tone(5_000, 0.5, WIDE_HZ), silence(12.5, WIDE_HZ)]
    audio = np.concatenate([*parts, tone(5_000, 0.5, WIDE_HZ)])
    other = np.concatenate([silence(2, NARROW_HZ), tone(700, 0.5, NARROW_HZ)])
    rendered, pcm, rate_hz = render(tmp_path, send(audio, payload_type), send(other, PCMA, ssrc=8))
    assert rate_hz == WIDE_HZ
    assert rendered.findings == ()
    assert rendered.duration_ms == pytest.approx(14_500, abs=30)
    first, second = sounds(pcm[:, 0], rate_hz)
    assert first == pytest.approx((1.0, 1.5), abs=CODEC_DELAY_S)
    assert second == pytest.approx((14.0, 14.5), abs=CODEC_DELAY_S)
    assert strongest_hz(pcm[17_000:23_000, 0], rate_hz) == pytest.approx(5_000, abs=10)
    assert sounds(pcm[:, 1], rate_hz) == [pytest.approx((2.0, 2.5), abs=0.003)]
    assert strongest_hz(pcm[33_000:39_000, 1], rate_hz) == pytest.approx(700, abs=10)


@pytest.mark.parametrize("order", [(PCMA, G722, OPUS), (OPUS, PCMA, G722), (G722, OPUS, PCMA)])
def test_codec_that_changes_within_a_call_leaves_each_part_in_its_place(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    packets: list[Packet] = []
    for number, payload_type in enumerate(order):
        rate_hz = NARROW_HZ if payload_type == PCMA else WIDE_HZ
        part = [silence(1, rate_hz), tone(1_000, 0.4, rate_hz), silence(0.6, rate_hz)]
        # One sender: its numbers go on, its timestamps count another clock.
        packets += send(
            np.concatenate(part),
            payload_type,
            begin_s=2.0 * number,
            sequence=len(packets),
            timestamp=packets[-1].timestamp + CLOCKS[payload_type] if packets else 0,
        )[:100]
    _, pcm, rate_hz = render(tmp_path, packets, None)
    expected = [(1.0, 1.4), (3.0, 3.4), (5.0, 5.4)]
    found = sounds(pcm[:, 0], rate_hz)
    assert len(found) == len(expected)
    for heard, spoken in zip(found, expected, strict=True):
        assert heard == pytest.approx(spoken, abs=2 * CODEC_DELAY_S)


@pytest.mark.parametrize("payload_type", [G722, OPUS])
def test_lost_late_and_doubled_packets_move_nothing(tmp_path: Path, payload_type: int) -> None:
    audio = np.concatenate([silence(3, WIDE_HZ), tone(1_000, 0.5, WIDE_HZ), silence(1, WIDE_HZ)])
    random = np.random.default_rng(1)
    packets = []
    for packet in send(audio, payload_type):
        if random.random() >= 0.1:
            copies = 2 if random.random() < 0.2 else 1
            packets += [packet] * copies
    packets[20], packets[21] = packets[21], packets[20]
    _, pcm, rate_hz = render(tmp_path, packets, None)
    found = sounds(pcm[:, 0], rate_hz)
    assert found[0][0] == pytest.approx(3.0, abs=0.08)
    assert found[-1][1] == pytest.approx(3.5, abs=0.08)


def test_keys_beside_opus_are_not_heard(tmp_path: Path) -> None:
    opus = send(tone(1_000, 1, WIDE_HZ), OPUS)
    keys = [
        Packet(each.arrival_us, each.sequence, each.timestamp, b"\x05\x8a\x03\x20", 7, 101)
        for each in opus
    ]
    _, clean, _ = render(tmp_path, opus, None)
    _, mixed, _ = render(
        tmp_path, [each for pair in zip(opus, keys, strict=True) for each in pair], None
    )
    assert np.array_equal(clean, mixed)


def test_recording_too_long_for_a_wideband_wav_is_narrowband(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_module, "WAV_BYTES_MAX", 2 * NARROW_HZ * 4 + 100)
    _, pcm, rate_hz = render(tmp_path, send(tone(1_000, 2, WIDE_HZ), G722), None)
    assert rate_hz == NARROW_HZ
    assert strongest_hz(pcm[4_000:12_000, 0], rate_hz) == pytest.approx(1_000, abs=2)


def test_wideband_recording_is_made_many_times_faster_than_it_was_talked(tmp_path: Path) -> None:
    minute = np.concatenate([tone(800, 20, WIDE_HZ), silence(40, WIDE_HZ)])
    audio = np.tile(minute, 2)
    caller, callee = send(audio, OPUS), send(audio, G722, ssrc=9)
    begun = time.process_time()
    rendered, _, _ = render(tmp_path, caller, callee)
    assert rendered.duration_ms == pytest.approx(120_000, abs=50)
    # Some 150 times; a worker gives up at 600 s, over what may be a day's call.
    assert time.process_time() - begun < 120 / 40


def test_junk_of_any_codec_is_bounded(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    packets = [
        Packet(
            START_US + index * 1_000,
            int(random.integers(2**16)),
            int(random.integers(2**32)),
            random.bytes(int(random.integers(1, 400))),
            ssrc=int(random.integers(40)),
            payload_type=int(random.choice([0, 8, 9, 96, 97, 101, 127])),
        )
        for index in range(5_000)
    ]
    begun = time.process_time()
    rendered, _, _ = render(tmp_path, packets, packets[::2])
    assert rendered.size_bytes > 0
    assert time.process_time() - begun < 10


# Captures in parts


def test_capture_in_parts_has_silence_between_them(tmp_path: Path) -> None:
    caller = Sender(20, click_offset_s=0.3).create_packets(Network())
    callee = Sender(20, ssrc=5, click_offset_s=0.3).create_packets(Network())

    def part(packets: list[Packet], name: str, begin_s: float, end_s: float) -> str:
        begin_us, end_us = (START_US + round(each * 1e6) for each in (begin_s, end_s))
        inside = [each for each in packets if begin_us <= each.arrival_us < end_us]
        return write_capture(tmp_path / name, inside)

    capture = Capture(
        part(caller, "1.caller", 0, 5),
        part(callee, "1.callee", 0, 5),
        START_US / 1e6,
        continued=(
            Capture(part(caller, "2.caller", 8, 12), None, START_US / 1e6 + 8),
            Capture(
                part(caller, "3.caller", 15, 21),
                part(callee, "3.callee", 15, 21),
                START_US / 1e6 + 15,
            ),
        ),
    )
    target = tmp_path / "recording.wav"
    rendered = render_recording(RenderJob.of(capture, str(target)))
    assert rendered.findings == ()
    pcm, rate_hz = soundfile.read(target, dtype="int16")
    # The network takes 30 ms; a packet that is captured was spoken a packet before.
    for channel, spoken in ((0, [(0, 5), (8, 12), (15, 20)]), (1, [(0, 5), (15, 20)])):
        clicks = np.unique(np.flatnonzero(np.abs(pcm[:, channel]) > 3_000) // rate_hz)
        assert clicks.tolist() == [second for each in spoken for second in range(*each)]


def test_parts_of_which_one_is_no_capture_are_refused(tmp_path: Path) -> None:
    good = write_capture(tmp_path / "1.rtp", Sender(1).create_packets(Network()))
    bad = tmp_path / "2.rtp"
    bad.write_bytes(b"RIFF" * 100)
    with pytest.raises(CaptureError):
        read_captures([Path(good), bad])


# Silence


def test_silence_of_each_side_is_told(tmp_path: Path) -> None:
    quiet = round(SPEECH_RMS_MIN / 2)
    talk = np.concatenate([tone(500, 4, NARROW_HZ), tone(500, 6, NARROW_HZ, peak=quiet)])
    listen = np.concatenate([silence(7, NARROW_HZ), tone(500, 1, NARROW_HZ), silence(2, NARROW_HZ)])
    rendered, _, _ = render(tmp_path, send(talk, PCMA), send(listen, PCMA, ssrc=8))
    assert (rendered.caller_silence_s, rendered.callee_silence_s) == (6, 9)


def test_pauses_within_speech_are_no_silence_and_a_missing_side_is(tmp_path: Path) -> None:
    word = np.concatenate([tone(500, 0.2, NARROW_HZ), silence(0.2, NARROW_HZ)])
    rendered, _, _ = render(tmp_path, send(np.tile(word, 25), PCMA), None)
    assert (rendered.caller_silence_s, rendered.callee_silence_s) == (0, 10)
