"""The code blocks of a page, and what a note before one says of its test.

A note is a comment that no reader sees, `<!-- test: ... -->`, in the lines right before the block:

- `not run: REASON`: it cannot be executed here
- `prepare NAME`: what must be there first (preparation.py)
- `keep NAME: REGEX`: group 1, found in the block's output, stands for NAME in blocks that follow
- `stands for NAME`: a program that the runner has started already, exactly so (world.py)
- `like COMMAND`: a JSON block has the shape of what this shell command answers
- `sent by COMMAND`: a JSON block is what this command sends, from the file block.json
- `type MODULE:NAME`: a JSON block is what this type is written as
- `output`: a text block is what the shell block before it wrote
- `shown by WHAT`: a text block that a test elsewhere holds
- `fragment: REASON`: a Python block is part of something, and is only compiled
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)```(\w*)$")
_NOTE = re.compile(r"^ *<!-- test: (.+?) -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences; `line` is that of the first, counted from 1."""

    page: str
    line: int
    language: str
    text: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def told(self, kind: str) -> list[str]:
        """What the notes of that kind say, after the kind."""
        return [
            note.removeprefix(kind).lstrip(": ") or kind
            for note in self.notes
            if note.startswith(kind)
        ]

    @property
    def is_run(self) -> bool:
        return not self.told("not run")


def pages() -> list[Path]:
    """All that a reader is given; a changelog tells of the past."""
    return sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])


def read_blocks(path: Path) -> list[Block]:
    """The blocks of a page, in order. Raises ValueError where a fence is left open, or a note
    belongs to no block."""
    page = str(path.relative_to(ROOT))
    blocks: list[Block] = []
    notes: list[str] = []
    opened: tuple[int, str, str] | None = None
    body: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is not None:
            start, indent, language = opened
            if fence and not fence[2]:
                text = "".join(f"{each.removeprefix(indent)}\n" for each in body)
                blocks.append(Block(page, start, language, text, tuple(notes)))
                opened, notes, body = None, [], []
            else:
                body.append(line)
        elif fence:
            opened = (number, fence[1], fence[2])
        elif note := _NOTE.match(line):
            notes.append(note[1])
        elif notes and line.strip():
            raise ValueError(f"{page}:{number}: a note before something that is no block")
    if opened is not None or notes:
        raise ValueError(f"{page}: a block without an end, or a note without a block")
    return blocks
