"""Captures of phones that never were: what each sent, what the network made of it, and when.

A phone speaks clicks: short bursts of noise at known times, silence between. Where they are in a
recording, against where they should be, is the error of its time line.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from clicktodial.media.g711 import encode_g711

RATE_HZ = 8_000
START_US = 1_700_000_000_000_000
CLICK_PERIOD_S = 1.0
_CLICK_SAMPLES = 48
_PCAP_MAGIC = 0xA1B2C3D4
_LINK_ETHERNET = 1
_CODECS = {8: "PCMA", 0: "PCMU"}

Samples = npt.NDArray[np.int16]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Packet:
    """One packet as captured; the arrival in microseconds since 1970."""

    arrival_us: int
    sequence: int
    timestamp: int
    payload: bytes
    ssrc: int = 0x1234
    payload_type: int = 8


@dataclass
class Network:
    """What happens to packets. Times in seconds, shares from 0 to 1."""

    delay_s: float = 0.03
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicates: float = 0.0
    reordered: float = 0.0
    seed: int = 1


@dataclass
class Sender:
    """A phone. `skew_ppm` is by how much its clock is fast."""

    duration_s: float
    begin_s: float = 0.0
    skew_ppm: float = 0.0
    packet_ms: int = 20
    payload_type: int = 8
    ssrc: int = 0x1234
    first_timestamp: int = 4_294_960_000  # wraps within the first second
    first_sequence: int = 65_500
    click_offset_s: float = 0.5
    pauses: list[tuple[float, float]] = field(default_factory=list)

    @property
    def clicks_s(self) -> Times:
        """When its clicks are heard, seconds of true time."""
        return np.arange(self.begin_s + self.click_offset_s, self.end_s - 0.1, CLICK_PERIOD_S)

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s

    def create_packets(self, network: Network) -> list[Packet]:
        """What arrives, in order of arrival."""
        random = np.random.default_rng(network.seed)
        rate = RATE_HZ * (1 + self.skew_ppm / 1e6)  # its samples per true second
        size = RATE_HZ * self.packet_ms // 1000
        count = int(self.duration_s * rate) // size
        speech = self._speak(count * size, rate)
        coded = encode_g711(speech, _CODECS[self.payload_type])
        sent_s = self.begin_s + (np.arange(count) * size + size) / rate
        delay = network.delay_s + random.uniform(0, network.jitter_s or 1e-9, count)
        delay += (random.random(count) < network.reordered) * 0.05
        arrival = START_US + ((sent_s + delay) * 1e6).astype(np.int64)
        packets = []
        for index in np.flatnonzero(random.random(count) >= network.loss):
            if any(begin <= sent_s[index] < end for begin, end in self.pauses):
                continue
            packet = Packet(
                arrival_us=int(arrival[index]),
                sequence=(self.first_sequence + int(index)) % 2**16,
                timestamp=(self.first_timestamp + int(index) * size) % 2**32,
                payload=coded[index * size : (index + 1) * size],
                ssrc=self.ssrc,
                payload_type=self.payload_type,
            )
            packets.append(packet)
            if random.random() < network.duplicates:
                packets.append(packet)
        return sorted(packets, key=lambda packet: packet.arrival_us)

    def _speak(self, count: int, rate: float) -> Samples:
        burst = np.random.default_rng(7).integers(-12_000, 12_000, _CLICK_SAMPLES)
        speech = np.zeros(count, dtype=np.int16)
        for click in self.clicks_s:
            at = round((click - self.begin_s) * rate)
            speech[at : at + _CLICK_SAMPLES] = burst[: max(0, count - at)]
        return speech


def write_capture(path: Path, packets: list[Packet]) -> str:
    """As RTPProxy writes it: pcap, Ethernet, IPv4, UDP."""
    chunks = [struct.pack("<IHHiIII", _PCAP_MAGIC, 2, 4, 0, 0, 65_535, _LINK_ETHERNET)]
    for packet in packets:
        frame = frame_packet(packet)
        seconds, micros = divmod(packet.arrival_us, 1_000_000)
        chunks.append(struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(chunks))
    return str(path)


def frame_packet(packet: Packet) -> bytes:
    """The packet with its RTP, UDP, IP and Ethernet headers."""
    rtp = struct.pack(
        ">BBHII",
        0x80,
        packet.payload_type,
        packet.sequence,
        packet.timestamp,
        packet.ssrc,
    )
    return frame_rtp(rtp + packet.payload)


def frame_rtp(rtp: bytes) -> bytes:
    """Whatever is said to be RTP, with UDP, IP and Ethernet headers."""
    udp = struct.pack(">HHHH", 4000, 20_000, 8 + len(rtp), 0) + rtp
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\2"
    )
    return bytes(12) + b"\x08\x00" + ip + udp


def read_wav(path: Path) -> Samples:
    """Frames of shape (samples, 2)."""
    pcm, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE_HZ
    return np.asarray(pcm, dtype=np.int16)


def measure_errors_ms(channel: Samples, clicks_s: Times) -> Times:
    """For each click, by how much the channel has it late; NaN where it is not found.

    Found by correlation with the burst, up to 400 ms off.
    """
    burst = np.random.default_rng(7).integers(-12_000, 12_000, _CLICK_SAMPLES).astype(float)
    reach = round(0.4 * RATE_HZ)
    errors = np.full(len(clicks_s), np.nan)
    for index, click in enumerate(clicks_s):
        at = round(click * RATE_HZ)
        low = max(0, at - reach)
        piece = channel[low : at + reach + _CLICK_SAMPLES].astype(float)
        if len(piece) <= _CLICK_SAMPLES:
            continue
        match = np.correlate(piece, burst, mode="valid")
        peak = int(np.argmax(np.abs(match)))
        if np.abs(match[peak]) > 0.5 * float(burst @ burst):
            errors[index] = (low + peak - at) / RATE_HZ * 1000
    return errors
