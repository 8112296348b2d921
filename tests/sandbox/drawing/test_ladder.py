"""The SIP ladder."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from clicktodial.sandbox.drawing.ladder import (
    MESSAGES_MAX,
    Ladder,
    LadderMessage,
    Leg,
    MediaSpan,
    Party,
    draw_ladder,
)

SVG = "{http://www.w3.org/2000/svg}"
MESSAGES = (
    LadderMessage(0.01, Leg.CALLER, False, "INVITE", has_sdp=True),
    LadderMessage(0.02, Leg.CALLER, True, "180 Ringing", 180),
    LadderMessage(1.02, Leg.CALLER, True, "200 OK", 200, has_sdp=True),
    LadderMessage(1.03, Leg.CALLER, False, "ACK"),
    LadderMessage(1.04, Leg.CALLEE, False, "INVITE", has_sdp=True),
    LadderMessage(1.05, Leg.CALLEE, True, "486 Busy Here", 486),
)
SPAN = MediaSpan(Leg.CALLER, 1.02, 1.05, "hears a tone")


def create_ladder(
    messages: Sequence[LadderMessage] = MESSAGES, spans: Sequence[MediaSpan] = (SPAN,)
) -> Ladder:
    return Ladder(
        "One call",
        Party("Caller's phone", "8613912345673"),
        Party("Platform", "01052680000"),
        Party("Callee's phone", "8613810268653"),
        messages,
        spans,
    )


def read(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return root


def texts_of(root: ElementTree.Element) -> list[str]:
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def arrows_of(root: ElementTree.Element) -> list[tuple[str, float, float]]:
    """Class, start and end of each arrow, from the top."""
    lines = [node for node in root.iter(f"{SVG}line") if "arrow" in node.get("class", "")]
    return [
        (line.get("class", ""), float(line.get("x1", 0)), float(line.get("x2", 0)))
        for line in lines
    ]


def test_ladder_names_parties_messages_times_and_media() -> None:
    texts = texts_of(read(draw_ladder(create_ladder())))
    assert {"One call", "Caller's phone", "Platform", "Callee's phone"} <= set(texts)
    assert {"INVITE  + SDP", "180 Ringing", "200 OK  + SDP", "ACK", "486 Busy Here"} <= set(texts)
    assert {"0.010 s", "1.050 s", "+ 1.0 s", "hears a tone"} <= set(texts)
    assert "6 messages in 1.04 s" in texts


def test_arrows_point_from_sender_to_receiver_in_the_colour_of_the_leg() -> None:
    arrows = arrows_of(read(draw_ladder(create_ladder())))
    ways = ["right" if start < end else "left" for _, start, end in arrows]
    assert ways == ["left", "right", "right", "left", "right", "left"]
    assert [class_ for class_, _, _ in arrows] == [
        "arrow caller",
        "arrow caller provisional",
        "arrow caller",
        "arrow caller",
        "arrow callee",
        "arrow bad",
    ]


def test_messages_out_of_order_are_drawn_in_order_of_time() -> None:
    assert draw_ladder(create_ladder(MESSAGES[::-1])) == draw_ladder(create_ladder())


def test_longer_pause_stands_wider_apart() -> None:
    def height(pause_s: float) -> float:
        messages = (MESSAGES[0], LadderMessage(0.01 + pause_s, Leg.CALLER, True, "200 OK", 200))
        return float(read(draw_ladder(create_ladder(messages, ()))).get("height", 0))

    assert height(0.1) < height(1) < height(10) < height(3600) < 2 * height(0.1)


def test_ladder_without_messages_is_still_a_picture() -> None:
    texts = texts_of(read(draw_ladder(create_ladder((), ()))))
    assert "no message" in texts


def test_messages_beyond_the_limit_are_cut_and_told() -> None:
    messages = [LadderMessage(index / 10, Leg.CALLER, True, "ACK") for index in range(300)]
    root = read(draw_ladder(create_ladder(messages)))
    assert len(arrows_of(root)) == MESSAGES_MAX
    assert "300 messages in 29.90 s, the first 200 drawn" in texts_of(root)


def test_labels_of_a_peer_are_escaped_and_shortened() -> None:
    nasty = "486 <script>&\x00\x08" + "x" * 1000
    svg = draw_ladder(create_ladder([LadderMessage(0, Leg.CALLER, True, nasty, 486)]))
    assert "<script" not in svg
    assert max(len(label) for label in texts_of(read(svg))) < 60
