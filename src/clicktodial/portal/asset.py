"""The files that pages are made with: styles, scripts, pictures.

Each is served under a name that has the hash of what is in it, so that a browser may keep it for
ever; all are read, and compressed, once. A style names another file by its path in static/.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
# A picture is compressed already, and so is a font.
_COMPRESSED = (".css", ".js", ".svg", ".webmanifest")
_HASH_CHARACTERS = 12
_URL = re.compile(rb'url\("([a-z0-9/.-]+)"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. `served_as` is its name with the hash; `gzipped` is None where it would not gain."""

    served_as: str
    media_type: str
    content: bytes
    gzipped: bytes | None


@cache
def load_assets() -> Mapping[str, Asset]:
    """All of them, by the names that templates know them by: `console.css`."""
    contents = {
        name: file.read_bytes() for name, file in _walk(files("clicktodial.portal") / "static", "")
    }
    styles = {name: contents.pop(name) for name in list(contents) if name.endswith(".css")}
    assets = {name: _create(name, content) for name, content in contents.items()}

    def served(match: re.Match[bytes]) -> bytes:
        return b'url("%s")' % assets[match[1].decode()].served_as.encode()

    # After the others, whose names are in them.
    return assets | {name: _create(name, _URL.sub(served, text)) for name, text in styles.items()}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _walk(each, f"{prefix}{each.name}/")
        elif any(each.name.endswith(suffix) for suffix in MEDIA_TYPES):
            yield prefix + each.name, each


def _create(name: str, content: bytes) -> Asset:
    stem, dot, suffix = name.rpartition(".")
    digest = base64.b32encode(hashlib.sha256(content).digest()).decode().lower()
    gzipped = gzip.compress(content, mtime=0) if dot + suffix in _COMPRESSED else None
    return Asset(
        served_as=f"{stem.replace('/', '-')}.{digest[:_HASH_CHARACTERS]}{dot}{suffix}",
        media_type=MEDIA_TYPES[dot + suffix],
        content=content,
        gzipped=gzipped if gzipped is not None and len(gzipped) < len(content) else None,
    )
