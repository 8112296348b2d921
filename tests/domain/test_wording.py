"""Sentences that remember what they were made of."""

from enum import StrEnum

from clicktodial.domain.wording import Wording, worded, words_of
from clicktodial.storage.error import Conflict


class Colour(StrEnum):
    """Values of an enumeration."""

    RED = "red"
    BLUE = "blue"


def test_sentence_is_plain_english_for_whoever_asks_no_more() -> None:
    said = worded("at most %(most)s of %(names)s are 100 %% %(one)s", most=3, names=Colour, one="x")
    assert said == "at most 3 of red, blue are 100 % x"
    assert said.template.startswith("at most %(most)s")
    assert said.values == {"most": 3, "names": (Colour.RED, Colour.BLUE), "one": "x"}
    # Serializers know text, and none of its children.
    assert type(str(said)) is str
    assert type(str(Conflict(said))) is str


def test_error_hands_on_the_words_it_was_raised_with() -> None:
    said = worded("there is no call %(call_id)s", call_id="c1")
    assert words_of(Conflict(words_of(Conflict(said)))) is said
    assert words_of(Conflict("no")) == "no"
    assert words_of(Conflict()) == Conflict.__doc__
    outer = worded("not taken: %(error)s", error=Conflict(said))
    assert outer == "not taken: there is no call c1"
    assert isinstance(outer.values["error"], Wording)
