"""Sentences for people that remember what they were made of, so that they can be said in another
language.

A refusal is raised with English words, which the APIs answer as they are. Where values stand in
them, an f-string would lose which words are ours: `worded` keeps the template, which is the name of
a message in the console's catalogues, and the values beside the finished sentence.

    raise Conflict(worded("an enterprise has at most %(most)s documents", most=DOCUMENTS_MAX))

A Wording is text like any other. `str()` makes plain text of it - of an error that was raised with
one, too - and whoever raises one error for another hands its words on by `words_of`.
"""

from collections.abc import Iterable, Mapping


class Wording(str):
    """A finished English sentence, its template and the values in it."""

    template: str
    values: Mapping[str, object]


def worded(template: str, /, **values: object) -> Wording:
    """The sentence. `%(name)s` stands for a value and `%%` for a percent sign; several values are
    named one after the other, an error is its words, an enumeration's value is its text (and its
    label in other languages)."""
    kept = {name: _keep(value) for name, value in values.items()}
    wording = Wording(template % {name: _say(value) for name, value in kept.items()})
    wording.template, wording.values = template, kept
    return wording


def words_of(error: BaseException) -> str:
    """What the error says, with what it was made of."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Wording) else str(error)


def _keep(value: object) -> object:
    if isinstance(value, BaseException):
        return words_of(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(value)
    return value


def _say(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
