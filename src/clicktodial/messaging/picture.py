"""Pictures of multimedia messages: what is one, told by its content and by nothing else."""

from clicktodial.domain.message import TemplateError
from clicktodial.domain.wording import worded

# Phones and MMSCs take little more than 300 KB a message, base64 and text included.
PICTURE_BYTES_MAX = 200_000
PICTURES_MAX = 5
JPEG = "image/jpeg"
PNG = "image/png"
GIF = "image/gif"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GIF_STARTS, _GIF_END = (b"GIF87a", b"GIF89a"), b";"


def read_picture_type(content: bytes) -> str:
    """The media type of a whole JPEG, PNG or GIF file. Raises TemplateError.

    Beginning and end are looked at, not what lies between: a phone shows it, nothing here does.
    """
    if len(content) > PICTURE_BYTES_MAX:
        raise TemplateError(worded("a picture may have %(most)s bytes", most=PICTURE_BYTES_MAX))
    if content.startswith(_JPEG_START) and content.endswith(_JPEG_END):
        return JPEG
    if content.startswith(_PNG_START) and content.endswith(_PNG_END):
        return PNG
    if content.startswith(_GIF_STARTS) and content.endswith(_GIF_END):
        return GIF
    raise TemplateError("a picture is a whole JPEG, PNG or GIF file")
