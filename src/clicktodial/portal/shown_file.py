"""Files that people sent and others look at in the page: what proved to be a PDF, a JPEG or a PNG
when it came (accounts/document_content.py), and nothing else.

A PDF is drawn by the browser's own viewer, which is a process and an origin of its own; so scripts
in it, which a compressed part may hide from our check, reach nothing of the console. What is
answered says so once more, in case that a browser takes it for something else: see FRAMED_HEADERS.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from clicktodial.accounts.document_content import MediaType
from clicktodial.portal.page import Download

SUFFIXES: Mapping[MediaType, str] = {
    MediaType.PDF: "pdf",
    MediaType.JPEG: "jpg",
    MediaType.PNG: "png",
}
# Those of a photo, and paper; what a browser offers in its dialog.
ACCEPTED = ".pdf,.jpg,.jpeg,.png,application/pdf,image/jpeg,image/png"
_PIECE_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file in its page: `content` and `save` are addresses, as are those of its neighbours."""

    title: str
    media_type: MediaType
    content: str
    save: str
    before: str = ""
    after: str = ""
    place: int = 1
    count: int = 1

    @property
    def is_pdf(self) -> bool:
        """Whether the browser's viewer draws it."""
        return self.media_type is MediaType.PDF


def answer_file(content: bytes, media_type: MediaType, name: str, *, is_shown: bool) -> Download:
    """The file, to be saved or shown; `name` without its suffix."""
    return Download(
        _pieces(content),
        f"{name}.{SUFFIXES[media_type]}",
        media_type.value,
        is_shown=is_shown,
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]
