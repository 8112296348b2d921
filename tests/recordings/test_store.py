"""Opening and deleting recordings by key."""

from pathlib import Path

import pytest

from clicktodial.recordings.store import RecordingFileError, RecordingFiles

KEY = "2026/01/02/0190abcdef.wav"


def test_recording_that_is_there_is_opened_and_deleted(tmp_path: Path) -> None:
    files = RecordingFiles(tmp_path)
    path = tmp_path / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(b"sound")
    with files.open(KEY) as file:
        assert file.read() == b"sound"
    files.delete(KEY)
    assert not path.exists()
    files.delete(KEY)
    with pytest.raises(RecordingFileError):
        files.open(KEY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../secret.wav",
        "/etc/passwd",
        "2026/01/02/../../../secret.wav",
        "2026/01/02/..wav",
        "2026/01/02/a.wav\n",
        "2026/01/02/a\0.wav",
        "2026/01/02/a.wav.part",
        "2026/01/02/a/b.wav",
        "\uff12026/01/02/a.wav",
    ],
)
def test_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    files = RecordingFiles(tmp_path / "recordings")
    with pytest.raises(RecordingFileError):
        files.open(key)
    with pytest.raises(RecordingFileError):
        files.delete(key)
    assert (tmp_path / "secret.wav").exists()


def test_link_in_place_of_a_recording_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / KEY
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(RecordingFileError):
        RecordingFiles(tmp_path).open(KEY)
