"""Takes the messages of the console's sources into its catalogues: `make words`.

Each area has a file of its own, what belongs to none is in console.po, and what use cases refuse
with is in refusal.po. What is translated stays; what is in no source any more goes. `--check` only
says what is missing.
"""

import ast
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parent.parent / "src" / "clicktodial"
PORTAL = SOURCE / "portal"
LOCALE = PORTAL / "locale" / "zh-CN"
COMMON, REFUSAL = "console", "refusal"
_CHINESE = Locale("zh", "CN", script="Hans")
_WORDS = {"_": None, "gettext": None, "mark": None, "ngettext": (1, 2)}
_TEMPLATE_OPTIONS = {"extensions": "jinja2.ext.i18n,jinja2.ext.do", "silent": "false"}
_UNKEPT = (b'"POT-', b'"PO-', b'"Report-', b'"Last-', b'"Language-Team')
# What use cases refuse with stands in these folders. Errors below these are shown to people, and
# those that are ValueErrors or end so, whose words others hand on.
_REFUSING = (
    "accounts",
    "billing",
    "messaging",
    "storage",
    "domain",
    "control",
    "media/audio_library.py",
    "media/audio_import.py",
    "media/webrtc",
    "sip/aio/telephony.py",
)
_REFUSED_BELOW = {"AdministrationError", "ControlError", "ValueError"}
_REFUSED_TOO = {"AudioError", "DocumentRefused", "ReleaseConditionNotMet", "WebPhoneError"}
# Faults of ours, and of another machine, which go to the log.
_LOGGED = {"CallStateError", "DocumentUnreadable"}
_STATE_ERROR = "StateError"
# Sentences are made by `worded`; what somebody else was quicker with is told to `change`.
_WORDED = ("worded", "change")
# Tells what is not there where a change found nothing.
_REQUIRING = "_require"
# A parameter of that name is what a sentence is about: "the city".
_SUBJECT = "what"


def area_of(file: Path) -> str:
    """The catalogue that a source's messages stand in."""
    parts = file.relative_to(PORTAL).parts
    name = parts[1] if parts[0] == "templates" else parts[0]
    is_area = (PORTAL / name / "area.py").exists()
    return name if is_area else COMMON


def extract() -> dict[str, Catalog]:
    """The messages of all sources, by catalogue."""
    found: dict[str, Catalog] = {}
    for area, file, method, keywords in _sources():
        options = _TEMPLATE_OPTIONS if method == "jinja2" else {}
        catalogue = found.setdefault(area, Catalog(locale=_CHINESE, fuzzy=False))
        for _, message, _, _ in extract_from_file(
            method, str(file), keywords=keywords, options=options
        ):
            catalogue.add(message, locations=[(str(file.relative_to(SOURCE)), 0)])
    found[REFUSAL] = extract_refusals(refusing_sources())
    return found


def extract_refusals(sources: Mapping[Path, Sequence[ast.AST]]) -> Catalog:
    """What use cases say no with: where they raise it, and what errors say without any words."""
    catalogue = Catalog(locale=_CHINESE, fuzzy=False)
    for _, _, words in _told(sources):
        if isinstance(words, ast.Constant) and isinstance(words.value, str):
            catalogue.add(words.value)
    for said in refusals(sources).values():
        catalogue.add(" ".join(said.split()))
    return catalogue


def _sources() -> Iterator[tuple[str, Path, str, dict[str, object]]]:
    for file in sorted(PORTAL.rglob("*.py")):
        yield area_of(file), file, "python", dict(_WORDS)
    for file in sorted((PORTAL / "templates").rglob("*.html")):
        yield area_of(file), file, "jinja2", dict(_WORDS)


@cache
def refusing_sources() -> Mapping[Path, Sequence[ast.AST]]:
    """What use cases and what they are made of are written in: all classes, functions and calls of
    each file."""
    return {
        file: parse_source(file.read_text(encoding="utf-8"))
        for each in _REFUSING
        for file in ([SOURCE / each] if each.endswith(".py") else (SOURCE / each).rglob("*.py"))
    }


def parse_source(text: str) -> Sequence[ast.AST]:
    """The classes, functions and calls of a source."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.Call)
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def refusals(sources: Mapping[Path, Sequence[ast.AST]]) -> Mapping[str, str]:
    """The errors whose words people are shown, by their names, and the words that each has where
    it is raised without any."""
    classes = [
        node for nodes in sources.values() for node in nodes if isinstance(node, ast.ClassDef)
    ]
    found = {
        each.name
        for each in classes
        if each.name in _REFUSED_TOO or each.name.endswith(_STATE_ERROR)
    } | _REFUSED_BELOW
    found -= _LOGGED
    while True:
        more = {each.name for each in classes if found & {_last_name(base) for base in each.bases}}
        if more - _LOGGED <= found:
            break
        found |= more - _LOGGED
    return {each.name: ast.get_docstring(each) or "" for each in classes if each.name in found}


def subject_places(sources: Mapping[Path, Sequence[ast.AST]]) -> dict[str, int]:
    """Functions that are told what their sentence is about, and as which of their arguments."""
    places = {_REQUIRING: 1}
    for nodes in sources.values():
        for node in nodes:
            if isinstance(node, ast.FunctionDef):
                names = [each.arg for each in node.args.args if each.arg != "self"]
                if _SUBJECT in names:
                    places[node.name] = names.index(_SUBJECT)
    return places


def lost_words(sources: Mapping[Path, Sequence[ast.AST]]) -> list[str]:
    """Where a refusal forgets which of its words are ours: an f-string, or another error's `str()`,
    instead of `worded` and `words_of`."""
    return [
        f"{file.relative_to(SOURCE)}:{words.lineno}: {ast.unparse(call)}"
        for file, call, words in _told(sources)
        if _forgets(words)
    ]


def _told(sources: Mapping[Path, Sequence[ast.AST]]) -> Iterator[tuple[Path, ast.Call, ast.expr]]:
    """The calls that words of a refusal are given to, and those words."""
    told = dict.fromkeys([*refusals(sources), *_WORDED], 0) | subject_places(sources)
    for file, nodes in sources.items():
        for node in nodes:
            if isinstance(node, ast.Call):
                place = told.get(_last_name(node.func))
                if place is not None and place < len(node.args):
                    yield file, node, node.args[place]


def _forgets(words: ast.expr) -> bool:
    if isinstance(words, ast.Call):
        return _last_name(words.func) in ("str", "format", "join")
    return isinstance(words, ast.JoinedStr | ast.BinOp)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def merge(area: str, fresh: Catalog) -> Catalog:
    """What the sources have, with what the catalogue says of it in Chinese."""
    known, others = read(area), read_others(area)
    merged = Catalog(locale=_CHINESE, project="Click to Dial", fuzzy=False)
    for message in fresh:
        if message.id:
            old = known.get(message.id)
            string = old.string if old is not None and old.string else others.get(message.id, "")
            merged.add(message.id, string)
    return merged


def read(area: str) -> Catalog:
    """The catalogue as it is; empty where there is none."""
    file = LOCALE / f"{area}.po"
    if not file.exists():
        return Catalog(locale=_CHINESE)
    return read_po(io.BytesIO(file.read_bytes()), locale=_CHINESE, abort_invalid=True)


def read_others(area: str) -> dict[object, object]:
    """What is said in Chinese elsewhere, so that nobody translates it twice."""
    return {
        message.id: message.string
        for file in sorted(LOCALE.glob("*.po"))
        if file.stem != area
        for message in read(file.stem)
        if message.id and message.string
    }


def render(catalogue: Catalog) -> bytes:
    """The file: of its header what readers need, and no dates, which would differ each time."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, sort_output=True)
    lines = file.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(_UNKEPT))


def missing(catalogue: Catalog) -> list[str]:
    """The messages that have no Chinese."""
    return [
        str(each.id)
        for each in catalogue
        if each.id and not (all(each.string) if isinstance(each.string, tuple) else each.string)
    ]


def main() -> int:
    """Write all catalogues; the number of messages without Chinese is told."""
    lacking = 0
    for area, fresh in extract().items():
        if not len(fresh):
            continue
        merged = merge(area, fresh)
        lacking += len(missing(merged))
        if "--check" not in sys.argv:
            LOCALE.mkdir(parents=True, exist_ok=True)
            (LOCALE / f"{area}.po").write_bytes(render(merged))
        for text in missing(merged):
            sys.stdout.write(f"{area}: {text}\n")
    sys.stdout.write(f"{lacking} messages without Chinese\n")
    return 1 if lacking and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
