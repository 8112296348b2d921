"""The words of the console in the languages that it has.

English words stand in the sources and are what a message is called; the other languages are
catalogues of gettext, a file for each area, read when the console starts: there is nothing to be
compiled. `make words` writes what is new in the sources into them.
"""

import gettext
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

# A list that a browser sends has a few; the rest of a longer one is not read.
_ACCEPTED_MAX = 20
_ACCEPT_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Language:
    """One that the console speaks. `code` is that of pages and cookies (BCP 47)."""

    code: str
    name: str
    locale: Locale


ENGLISH = Language("en", "English", Locale("en"))
CHINESE = Language("zh-CN", "简体中文", Locale("zh", "CN", script="Hans"))
LANGUAGES = (ENGLISH, CHINESE)
_BY_CODE = {language.code: language for language in LANGUAGES}


def mark(text: str) -> str:
    """A message that is translated later, where it is known for whom."""
    return text


def choose_language(chosen: str | None, accepted: str | None) -> Language:
    """What somebody chose, or else the first that their browser asks for and that there is."""
    if chosen in _BY_CODE:
        return _BY_CODE[chosen]
    for code in _parse_accepted(accepted or ""):
        for language in LANGUAGES:
            if code.partition("-")[0] == language.code.partition("-")[0]:
                return language
    return ENGLISH


def _parse_accepted(header: str) -> Sequence[str]:
    """The languages of an Accept-Language header, the best first (RFC 9110 12.5.4)."""
    weighted: list[tuple[float, str]] = []
    for part in header[:_ACCEPT_CHARACTERS_MAX].split(",")[:_ACCEPTED_MAX]:
        code, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if 0 < weight <= 1 and code.strip():
            weighted.append((weight, code.strip().lower()))
    return [code for _, code in sorted(weighted, key=lambda each: -each[0])]


class Words:
    """The messages of one language."""

    def __init__(self, language: Language, translations: gettext.NullTranslations) -> None:
        self.language = language
        self._translations = translations

    def gettext(self, message: str, /, **values: object) -> str:
        """The message in this language, with its `%(name)s` filled in; a percent sign is `%%`."""
        return self._translations.gettext(message) % values

    def ngettext(self, one: str, many: str, num: int, /, **values: object) -> str:
        """The same, for so many; `%(num)s` is the number."""
        return self.look_up_plural(one, many, num) % {"num": num, **values}

    def look_up(self, message: str) -> str:
        """A message that has no place for values: a label, words of a use case's refusal."""
        return self._translations.gettext(message) if message else ""

    def look_up_plural(self, one: str, many: str, num: int) -> str:
        """The message for so many, not filled in."""
        return self._translations.ngettext(one, many, num)


@cache
def load_words() -> Mapping[str, Words]:
    """All languages by their codes. Raises what a catalogue that is no catalogue raises."""
    return {language.code: Words(language, _load(language)) for language in LANGUAGES}


def read_catalogues(language: Language) -> Mapping[str, Catalog]:
    """The catalogues of a language by the names of their areas; none for English."""
    folder = files("clicktodial.portal") / "locale" / language.code
    if language is ENGLISH or not folder.is_dir():
        return {}
    return {
        each.name.removesuffix(".po"): _read(each, language)
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".po")
    }


def _read(file: Traversable, language: Language) -> Catalog:
    with file.open("rb") as stream:
        return read_po(stream, locale=language.locale, abort_invalid=True)


def _load(language: Language) -> gettext.NullTranslations:
    merged = Translations()
    for catalogue in read_catalogues(language).values():
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        translations = Translations(compiled)
        merged.merge(translations)
        # All of a language have the same rule for plurals, which merging does not take over.
        merged.plural = translations.plural
    return merged
