"""Sealed documents on disk: a file each, below one directory."""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from clicktodial.storage.error import StorageError
from clicktodial.storage.secret import SecretVault

# What identifiers look like, and nothing else is ever opened.
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".sealed"


class DocumentFileError(StorageError):
    """The document's file cannot be used."""


class DocumentStore:
    """Files below one directory, named by their documents and sealed for them."""

    def __init__(self, root: Path, vault: SecretVault) -> None:
        self._root = root
        self._vault = vault

    def write(self, document_id: str, content: bytes) -> None:
        """Keep it, whole and durable or not at all. Raises DocumentFileError."""
        path = self._path(document_id)
        sealed = self._vault.seal(content, _place(document_id))
        draft = path.with_name(f".{document_id}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _write_durably(draft, sealed)
                os.replace(draft, path)
            finally:
                draft.unlink(missing_ok=True)
            _sync_directory(path.parent)
        except OSError as error:
            raise DocumentFileError(f"a document cannot be written: {error.strerror}") from error

    def read(self, document_id: str) -> bytes:
        """Its content. Raises DocumentFileError or SecretUnreadable."""
        try:
            # A link in the last place would lead out of the directory.
            descriptor = os.open(self._path(document_id), os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                sealed = file.read()
        except OSError as error:
            raise DocumentFileError(f"a document cannot be read: {error.strerror}") from error
        return self._vault.open(sealed, _place(document_id))

    def erase(self, document_id: str) -> None:
        """Remove it; one that is gone already is fine. Raises DocumentFileError."""
        try:
            self._path(document_id).unlink(missing_ok=True)
        except OSError as error:
            raise DocumentFileError(f"a document cannot be removed: {error.strerror}") from error

    def find_older_than(self, unix_s: float) -> Iterator[tuple[str, Path]]:
        """Files, drafts among them, last written before then, with their documents."""
        for path in self._root.glob("*/*"):
            if path.stat().st_mtime < unix_s:
                yield path.name.lstrip(".").split(".")[0], path

    def _path(self, document_id: str) -> Path:
        if not _IDENTIFIER.fullmatch(document_id):
            raise DocumentFileError("not the identifier of a document")
        # The last digits: the first are the time's, and the same for years.
        return self._root / document_id[-2:] / f"{document_id}{_SUFFIX}"


def _place(document_id: str) -> str:
    return f"document/content/{document_id}"


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
