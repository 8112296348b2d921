"""What the console says: in both languages, and nothing that cannot be translated."""

import importlib.util
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

import clicktodial.portal
from clicktodial.portal.label import LABELS
from clicktodial.portal.text import CHINESE, ENGLISH, choose_language, load_words, read_catalogues

PORTAL = Path(clicktodial.portal.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("words", ROOT / "scripts" / "words.py")
assert _spec is not None and _spec.loader is not None
words = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(words)

_PLACE = re.compile(r"%\((\w+)\)s|%%|%")
# What of a template is no words, to be taken away in this order: comments, statements, expressions,
# attributes (which macros make, too), tags. A class of the body stands in a block of its own.
_NO_WORDS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"\{% block body_class %\}.*?\{% endblock %\}",
        r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|&\w+;",
        r"[\w-]+=\"[^\"]*\"|[\w-]+='[^']*'",
        r"<[^>]*>",
    )
]
_SPOKEN = re.compile(r"\s(?:aria-label|title|placeholder|alt)=\"([^\"]*)\"")


def test_no_message_lacks_chinese() -> None:
    lacking = [
        f"{area}: {text}"
        for area, fresh in words.extract().items()
        for text in words.missing(words.merge(area, fresh))
    ]
    assert not lacking, "make words, then translate:\n" + "\n".join(lacking)


def test_no_refusal_forgets_which_words_are_ours() -> None:
    lost = words.lost_words(words.refusing_sources())
    assert not lost, "say it with worded() and words_of():\n" + "\n".join(lost)


def test_forgetful_refusals_are_found() -> None:
    source = words.parse_source(
        "class Refused(AdministrationError): pass\n"
        'raise Refused(f"at most {MOST} are")\n'
        "raise Refused(str(error))\n"
        'raise Refused("at most %d are" % MOST)\n'
        'raise Refused(worded("at most %(most)s are", most=MOST))\n'
        'raise Refused("none is")\n'
    )
    lost = words.lost_words({words.SOURCE / "accounts" / "x.py": source})
    assert [each.split(":")[1] for each in lost] == ["2", "3", "4"]


def test_translations_have_the_same_places() -> None:
    for area, catalogue in read_catalogues(CHINESE).items():
        for message in catalogue:
            if not message.id:
                continue
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            strings = message.string if isinstance(message.string, tuple) else (message.string,)
            for string in strings:
                assert _places(str(string)) <= set().union(*(_places(str(each)) for each in ids)), (
                    area,
                    message.id,
                )


def _places(text: str) -> set[str]:
    return {match[1] for match in _PLACE.finditer(text) if match[1]}


def _templates() -> Iterator[Path]:
    return (PORTAL / "templates").rglob("*.html")


@pytest.mark.parametrize("template", sorted(_templates()), ids=lambda path: path.stem)
def test_template_has_no_words_of_its_own(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    bare = source
    for pattern in _NO_WORDS:
        bare = pattern.sub(" ", bare)
    assert not re.search(r"[^\W\d_]{2,}", bare), bare.split()
    for spoken in _SPOKEN.findall(source):
        rest = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", spoken)
        assert not re.search(r"[^\W\d_]{2,}", rest), spoken


@pytest.mark.parametrize("template", sorted(_templates()), ids=lambda path: path.stem)
def test_template_has_no_script_and_no_style_of_its_own(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|\|\s*safe\b", source)
    for script in re.findall(r"<script[^>]*>", source):
        assert "src=" in script


@pytest.mark.parametrize("kind", LABELS, ids=lambda kind: kind.__name__)
def test_no_value_lacks_a_label(kind: type[StrEnum]) -> None:
    assert set(LABELS[kind]) == set(kind)


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, None, ENGLISH),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        (None, "zh-TW", CHINESE),
        (None, "fr, en;q=0.5, zh;q=0.9", CHINESE),
        (None, "fr;q=x, *, ;;,", ENGLISH),
        ("zh-CN", "en", CHINESE),
        ("en", "zh", ENGLISH),
        ("xx", "zh", CHINESE),
        (None, "en;q=0, zh;q=0.1", CHINESE),
    ],
)
def test_language_is_the_chosen_one_or_the_browsers(
    chosen: str | None, accepted: str | None, language: object
) -> None:
    assert choose_language(chosen, accepted) is language


def test_messages_are_filled_in() -> None:
    chinese = load_words()["zh-CN"]
    assert chinese.gettext("Calls") == "通话"
    one, many = "%(num)s person has an account.", "%(num)s people have accounts."
    assert chinese.ngettext(one, many, 1) == "共有 1 个账号。"
    assert chinese.ngettext(one, many, 3) == "共有 3 个账号。"
    assert load_words()["en"].ngettext(one, many, 3) == "3 people have accounts."
    assert chinese.look_up("") == ""
