"""Takes the messages of the console's sources into its catalogues: `make words`.

Each area has a file of its own, what belongs to none is in console.po, and what use cases refuse
with is in refusal.po. What is translated stays; what is in no source any more goes. `--check` only
says what is missing.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
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
# Those of which an answer's words are shown to people.
_REFUSALS = {
    name: None
    for name in (
        "ValueInvalid",
        "Conflict",
        "AlreadyExists",
        "NotPermitted",
        "PasswordError",
        "DocumentRefused",
    )
}
_REFUSING = ("accounts", "billing", "messaging", "storage", "domain", "control")


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
        # Of refusals with values in them, which have no catalogue, Babel tells one by one.
        with contextlib.redirect_stderr(io.StringIO()):
            messages = list(
                extract_from_file(method, str(file), keywords=keywords, options=options)
            )
        for _, message, _, _ in messages:
            catalogue.add(message, locations=[(str(file.relative_to(SOURCE)), 0)])
    return found


def _sources() -> Iterator[tuple[str, Path, str, dict[str, object]]]:
    for file in sorted(PORTAL.rglob("*.py")):
        yield area_of(file), file, "python", dict(_WORDS)
    for file in sorted((PORTAL / "templates").rglob("*.html")):
        yield area_of(file), file, "jinja2", dict(_WORDS)
    for folder in _REFUSING:
        for file in sorted((SOURCE / folder).rglob("*.py")):
            yield REFUSAL, file, "python", dict(_REFUSALS)


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
