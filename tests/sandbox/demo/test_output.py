"""The output directory: made anew, and nobody's files removed."""

from pathlib import Path

import msgspec
import pytest

from clicktodial.config import load_settings
from clicktodial.sandbox.demo.error import OutputError
from clicktodial.sandbox.demo.output import prepare_output


def test_settings_are_the_defaults_but_for_ports_data_and_browsers(tmp_path: Path) -> None:
    output = prepare_output(tmp_path / "new" / 'with "quotes"')
    settings, defaults = load_settings(output.config, {}), load_settings(None, {})
    assert settings.data_dir == output.data_dir
    assert (settings.http.port, settings.sip.port) == (0, 0)
    assert settings.media == msgspec.structs.replace(defaults.media, webrtc=True)
    for table in ("calls", "recording", "notify", "database"):
        assert getattr(settings, table) == getattr(defaults, table)


def test_directory_of_an_earlier_demonstration_is_cleared(tmp_path: Path) -> None:
    output = prepare_output(tmp_path)
    output.data_dir.mkdir()
    (output.data_dir / "clicktodial.db").write_text("old")
    output.recording.write_text("old")
    prepare_output(tmp_path)
    assert not output.data_dir.exists()
    assert not output.recording.exists()


def test_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "data" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    (tmp_path / "demo.toml").write_text("[http]\n")
    with pytest.raises(OutputError, match="not empty"):
        prepare_output(tmp_path)
    assert mine.read_text() == "mine"


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        prepare_output(tmp_path / "file")


def test_paths_are_shown_as_one_would_type_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = prepare_output(tmp_path / "demo-output")
    monkeypatch.chdir(tmp_path)
    assert output.shown(output.ladder) == "demo-output/ladder.svg"
    assert output.shown(Path("/elsewhere/x")) == "/elsewhere/x"
