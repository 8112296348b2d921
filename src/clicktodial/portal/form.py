"""What somebody sent in a form, and what is wrong with it.

A template shows a form again with what was typed and each field's error beside it; what is secret
is not shown again.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TypeVar
from urllib.parse import parse_qsl

from clicktodial.domain.password import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from clicktodial.portal.refusal import explain
from clicktodial.portal.text import Words, mark

E = TypeVar("E", bound=StrEnum)

# Of one form: a page of check boxes has a hundred.
FIELDS_MAX = 500
TEXT_CHARACTERS_MAX = 200
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
# Whatever a browser's text field cannot hold is no text that somebody typed.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class FormUnreadable(Exception):
    """The body is no form."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form. `file` stands at its beginning, and is closed for you."""

    name: str
    media_type: str
    size: int
    file: IO[bytes]


class Form:
    """Fields by their names. What does not fit is noted in `errors`, and a value of the right
    type comes back all the same: look at `is_valid` before anything is done."""

    def __init__(
        self,
        words: Words,
        fields: Mapping[str, Sequence[str]] | None = None,
        uploads: Mapping[str, Upload] | None = None,
    ) -> None:
        self._words = words
        self._fields = dict(fields or {})
        self._uploads = dict(uploads or {})
        self._secrets: set[str] = set()
        self.errors: dict[str, str] = {}
        # What is wrong with the form as a whole.
        self.problem = ""

    @property
    def is_valid(self) -> bool:
        """Whether nothing was found wrong so far."""
        return not self.errors and not self.problem

    def fill(self, **values: object) -> "Form":
        """What the fields have before anybody typed; None and "" leave one empty."""
        for name, value in values.items():
            several = value if isinstance(value, list | tuple | set | frozenset) else [value]
            self._fields.setdefault(name, [str(each) for each in several if each is not None])
        return self

    # What templates ask for

    def value(self, name: str) -> str:
        """What the field shows."""
        found = self._fields.get(name)
        return "" if not found or name in self._secrets else found[0]

    def has(self, name: str, value: str) -> bool:
        """Whether a box or an option is chosen."""
        return value in self._fields.get(name, ())

    def error(self, name: str) -> str:
        """What is wrong with the field; nothing where it is right."""
        return self.errors.get(name, "")

    # What handlers ask for

    def fail(self, name: str, message: str, /, **values: object) -> None:
        """That field is wrong; the first thing that is said of it stays."""
        self.errors.setdefault(name, self._words.gettext(message, **values))

    def refuse(self, message: str, /, **values: object) -> None:
        """The form as a whole is."""
        self.problem = self._words.gettext(message, **values)

    def refuse_as(self, error: Exception, field: str = "") -> None:
        """The use case said no, in its own words; to that field alone, where one is named."""
        if field:
            self.errors[field] = explain(self._words, error)
        else:
            self.problem = explain(self._words, error)

    def text(
        self, name: str, *, is_required: bool = True, characters_max: int = TEXT_CHARACTERS_MAX
    ) -> str:
        """A line or more of text, without blanks around it."""
        value = self._take(name).strip().replace("\r\n", "\n")
        if not value and is_required:
            self.fail(name, mark("This is needed."))
        elif len(value) > characters_max:
            self.fail(name, mark("Use at most %(num)s characters."), num=characters_max)
        elif _UNPRINTABLE.search(value):
            self.fail(name, mark("This has characters that cannot be typed."))
        return value

    def secret(self, name: str, *, is_required: bool = True, characters_max: int = 1_000) -> str:
        """A password or a token: as it was typed, and never shown again."""
        self._secrets.add(name)
        value = self._take(name)
        if not value and is_required:
            self.fail(name, mark("This is needed."))
        elif len(value) > characters_max:
            self.fail(name, mark("Use at most %(num)s characters."), num=characters_max)
        return value

    def new_password(self, name: str) -> str:
        """A password that is chosen, typed twice, the second time as `<name>_again`."""
        value = self.secret(name)
        if not value:
            return value
        if len(value) < PASSWORD_CHARACTERS_MIN:
            self.fail(name, mark("Use at least %(num)s characters."), num=PASSWORD_CHARACTERS_MIN)
        elif len(value) > PASSWORD_CHARACTERS_MAX:
            self.fail(name, mark("Use at most %(num)s characters."), num=PASSWORD_CHARACTERS_MAX)
        if value != self.secret(f"{name}_again", is_required=False):
            self.fail(f"{name}_again", mark("The two are not the same."))
        return value

    def whole(self, name: str, *, least: int, most: int, is_required: bool = True) -> int | None:
        """A whole number; None where it may be missing and is, or is wrong."""
        value = self._take(name).strip()
        if not value:
            if is_required:
                self.fail(name, mark("This is needed."))
            return None
        if not _INTEGER.fullmatch(value) or not least <= int(value) <= most:
            self.fail(
                name,
                mark("Enter a whole number from %(least)s to %(most)s."),
                least=least,
                most=most,
            )
            return None
        return int(value)

    def one_of(self, name: str, kind: type[E], *, is_required: bool = True) -> E | None:
        """One of an enumeration's values; None where it may be missing and is, or is wrong."""
        value = self._take(name)
        if not value and not is_required:
            return None
        try:
            return kind(value)
        except ValueError:
            self.fail(name, mark("Choose one of these."))
            return None

    def all_of(self, name: str, kind: Callable[[str], E]) -> frozenset[E]:
        """Those boxes that are ticked."""
        chosen = set()
        for value in self._fields.get(name, ()):
            try:
                chosen.add(kind(value))
            except ValueError:
                self.fail(name, mark("Choose among these."))
        return frozenset(chosen)

    def several(self, name: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> list[str]:
        """All that was chosen or typed under that name, each once, without what is empty."""
        values = dict.fromkeys(value.strip() for value in self._fields.get(name, ()))
        if any(len(each) > characters_max or _UNPRINTABLE.search(each) for each in values):
            self.fail(name, mark("Choose among these."))
        return [each for each in values if each]

    def is_ticked(self, name: str) -> bool:
        """Whether the box is."""
        return bool(self._fields.get(name))

    def upload(self, name: str, *, is_required: bool = True) -> Upload | None:
        """The file; None where it may be missing and is."""
        found = self._uploads.get(name)
        if found is None and is_required:
            self.fail(name, mark("Choose a file."))
        return found

    def _take(self, name: str) -> str:
        found = self._fields.get(name) or [""]
        return found[0]


def parse_fields(body: bytes) -> dict[str, list[str]]:
    """The fields of a body as browsers write it. Raises FormUnreadable."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            errors="strict",
        )
    except ValueError as error:
        raise FormUnreadable from error
    return gather(pairs)


def gather(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Pairs of a name and a value, by name."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields
