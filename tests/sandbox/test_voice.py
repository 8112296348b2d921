"""What phones say is what the platform takes them for."""

import numpy as np
import pytest

from clicktodial.domain.media import PCMA, PCMU, Codec
from clicktodial.domain.plan import AnswerVerdict
from clicktodial.media.answer_detection import AnswerDetector
from clicktodial.media.g711 import decode_g711
from clicktodial.sandbox.behaviour import Speech
from clicktodial.sandbox.talker import PACKET_SAMPLES
from clicktodial.sandbox.voice import create_recital

# One number for each of the ten speakers.
NUMBERS = [f"861390000000{digit}" for digit in range(10)]
SECONDS = 8


def judge(speech: Speech, number: str, codec: Codec) -> AnswerVerdict | None:
    recital = create_recital(speech, number, codec)
    packets = range(SECONDS * 8000 // PACKET_SAMPLES)
    said = b"".join(recital.packet_at(index) for index in packets)
    detector = AnswerDetector()
    detector.receive(decode_g711(said, codec.name).astype(np.int16))
    return detector.verdict


@pytest.mark.parametrize("codec", [PCMA, PCMU], ids=lambda codec: codec.name)
@pytest.mark.parametrize("number", NUMBERS)
def test_hello_is_a_persons_and_a_greeting_a_machines(number: str, codec: Codec) -> None:
    assert judge(Speech.HELLO, number, codec) is AnswerVerdict.HUMAN
    assert judge(Speech.VOICEMAIL, number, codec) is AnswerVerdict.MACHINE


def test_phone_that_said_hello_goes_on_with_its_melody() -> None:
    number = NUMBERS[3]
    hello = create_recital(Speech.HELLO, number, PCMA)
    melody = create_recital(Speech.MELODY, number, PCMA)
    assert hello.loop == melody.loop
    assert len(hello.intro) % PACKET_SAMPLES == 0
