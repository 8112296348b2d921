"""What a use case refused with, in the words of whoever looks.

A use case says no in English; where values stand in its words it keeps what they were made of
(domain/wording.py), and that is said anew in the other language: the template is a message of the
catalogue `refusal`, values that are enumerations have labels, and words within words are looked up.
What was kept as text - the problems of an import's rows - is taken apart by the same templates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from clicktodial.domain.wording import Wording, words_of
from clicktodial.portal.label import LABELS, label_of
from clicktodial.portal.text import CHINESE, ENGLISH, Words, read_catalogues

CATALOGUE = "refusal"
# A longer text is none of ours.
_TAKEN_APART_CHARACTERS_MAX = 1_000
# What has fewer letters of its own would take apart texts that are others'.
_OWN_LETTERS_MIN = 10
# What a sentence is about, and why, are words of ours also where they were kept as text.
_OUR_WORDS = frozenset({"what", "error"})
_PLACE = re.compile(r"%\((\w+)\)s|%%")


def explain(words: Words, refusal: BaseException | str) -> str:
    """The refusal, as a sentence in that language."""
    text = refusal if isinstance(refusal, str) else words_of(refusal)
    if words.language is ENGLISH:
        return _sentence(text)
    return _translate(words, text)


def _sentence(text: str) -> str:
    """The words of a use case are part of a sentence in English."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith(".") else ".")


def _translate(words: Words, text: str) -> str:
    if isinstance(text, Wording):
        return _fill(words, text.template, text.values)
    plain = " ".join(text.split())
    found = words.look_up(plain)
    if found != plain:
        return found
    for template in _templates():
        match = template.pattern.fullmatch(plain[:_TAKEN_APART_CHARACTERS_MAX])
        if match is not None:
            return _fill(words, template.message, match.groupdict())
    return _sentence(plain)


def _fill(words: Words, template: str, values: Mapping[str, object]) -> str:
    return words.gettext(
        template, **{name: _say(words, name, value) for name, value in values.items()}
    )


def _say(words: Words, name: str, value: object) -> str:
    if isinstance(value, tuple):
        return "、".join(_say(words, name, each) for each in value)
    if isinstance(value, StrEnum) and type(value) in LABELS:
        return words.look_up(label_of(value))
    # What else is text may be a name that somebody gave, which is not ours to translate.
    is_ours = isinstance(value, Wording) or name in _OUR_WORDS
    return _translate(words, value) if is_ours and isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class _Template:
    message: str
    pattern: re.Pattern[str]


@cache
def _templates() -> list[_Template]:
    """Those that values stand in, the most telling first."""
    found = [
        str(each.id)
        for each in read_catalogues(CHINESE).get(CATALOGUE, ())
        if each.id and _PLACE.search(str(each.id))
    ]
    telling = sorted(found, key=_own_letters, reverse=True)
    return [
        _Template(each, _pattern(each))
        for each in telling
        if _own_letters(each) >= _OWN_LETTERS_MIN
    ]


def _own_letters(message: str) -> int:
    return sum(map(str.isalpha, _PLACE.sub("", message)))


def _pattern(message: str) -> re.Pattern[str]:
    pattern, end, known = "", 0, set()
    for place in _PLACE.finditer(message):
        pattern += re.escape(message[end : place.start()])
        name, end = place[1], place.end()
        if name is None:
            pattern += "%"
        elif name in known:
            pattern += f"(?P={name})"
        else:
            known.add(name)
            pattern += f"(?P<{name}>.+?)"
    return re.compile(pattern + re.escape(message[end:]))
