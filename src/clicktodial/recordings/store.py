"""The recordings on disk."""

import os
import re
from pathlib import Path
from typing import BinaryIO

# What keys look like, and nothing else is ever opened: no dots that lead up, no absolute path.
_KEY = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9A-Za-z_-]{1,64}\.(?:wav|ogg|mp3)")


class RecordingFileError(Exception):
    """The recording's file is not there, or its key is none."""


class RecordingFiles:
    """Files below one directory, named by their keys (domain.recording.Recording)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, key: str) -> BinaryIO:
        """For reading, at its beginning. Raises RecordingFileError."""
        try:
            # A link in the last place would lead out of the directory.
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise RecordingFileError(f"the recording cannot be opened: {error.strerror}") from error
        return os.fdopen(descriptor, "rb")

    def delete(self, key: str) -> None:
        """Remove the file; one that is gone already is fine. Raises RecordingFileError."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise RecordingFileError(
                f"the recording cannot be deleted: {error.strerror}"
            ) from error

    def _path(self, key: str) -> Path:
        if _KEY.fullmatch(key) is None:
            raise RecordingFileError("not the key of a recording")
        return self._root / key
