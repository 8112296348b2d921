"""SVG as text: elements with escaped text, and the colours that all drawings share.

The colours stand in one style sheet and change with the reader's preference for light or dark,
so that a drawing sits well on either page.
"""

from collections.abc import Iterable
from html import escape

FONT = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
# Labels come from peers; a longer one would run out of its picture.
LABEL_CHARACTERS_MAX = 48

_STYLE = (
    """
svg { --paper: #ffffff; --panel: #f6f8fb; --line: #dbe2ea; --ink: #17212e; --soft: #64748b;
  --caller: #2563eb; --callee: #c2570c; --platform: #0f766e; --bad: #be123c; --audio: #7c3aed; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #11161d; --panel: #182029; --line: #2b3744; --ink: #e6edf5; --soft: #93a4b8;
    --caller: #6ea8fe; --callee: #f6a15b; --platform: #4fd1c0; --bad: #fb7f97; --audio: #b79bff; }
}
text { font-family: """
    + FONT
    + """; fill: var(--ink); }
.title { font-size: 20px; font-weight: 650; }
.note, .tick { fill: var(--soft); font-size: 12.5px; }
.tick { font-variant-numeric: tabular-nums; }
.caller { fill: var(--caller); } .callee { fill: var(--callee); }
.platform { fill: var(--platform); } .bad { fill: var(--bad); } .audio { fill: var(--audio); }
.paper { fill: var(--paper); } .panel { fill: var(--panel); }
.grid { stroke: var(--line); stroke-width: 1; }
.start { text-anchor: start; } .middle { text-anchor: middle; } .end { text-anchor: end; }
"""
)


def shorten(text: str) -> str:
    """The text within LABEL_CHARACTERS_MAX, on one line, without what XML cannot hold."""
    line = "".join(character if character.isprintable() else " " for character in text)
    if len(line) > LABEL_CHARACTERS_MAX:
        line = line[: LABEL_CHARACTERS_MAX - 1] + "…"
    return line


def element(name: str, content: str = "", **attributes: object) -> str:
    """One element. `content` is markup already; `class_` and `stroke_width` name attributes."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(label: str, x: float, y: float, class_: str, **attributes: object) -> str:
    """A line of text with its baseline at y; `label` is plain text from anywhere."""
    content = escape(shorten(label))
    return element("text", content or " ", x=x, y=y, class_=class_, **attributes)


def document(width: float, height: float, title: str, parts: Iterable[str], style: str = "") -> str:
    """A whole SVG file on a sheet of paper; `title` is read out by screen readers."""
    body = "\n".join(
        [
            element("title", escape(shorten(title)) or " "),
            element("style", _STYLE + style),
            element("rect", width=width, height=height, rx=14, class_="paper"),
            *parts,
        ]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(width)}" '
        f'height="{_number(height)}" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'role="img">\n{body}\n</svg>\n'
    )


def _number(value: object) -> str:
    """Coordinates to a tenth of a pixel: nobody sees more, and files stay small."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
