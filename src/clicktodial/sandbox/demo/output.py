"""Where the demonstration writes to, and what it writes there."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clicktodial.sandbox.demo.error import OutputError

_HEADER = "# Settings of `clicktodial demo`. Written anew each time, and all beside it.\n"
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Output:
    """The files of one demonstration."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "demo.toml"

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def recording(self) -> Path:
        return self.directory / "recording.wav"

    @property
    def waveform(self) -> Path:
        return self.directory / "recording.svg"

    @property
    def ladder(self) -> Path:
        return self.directory / "ladder.svg"

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def shown(self, path: Path) -> str:
        """The path as a person in the working directory would type it."""
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)


def prepare_output(directory: Path) -> Output:
    """Make the directory ready, without what an earlier demonstration left in it.

    Raises OutputError for a directory with anything else in it: nobody's files are removed.
    """
    output = Output(directory.absolute())
    try:
        output.directory.mkdir(parents=True, exist_ok=True)
        if any(output.directory.iterdir()) and not _is_ours(output):
            raise OutputError(f"{directory} is not empty, and not of an earlier demonstration")
        shutil.rmtree(output.data_dir, ignore_errors=True)
        for path in (output.recording, output.waveform, output.ladder):
            path.unlink(missing_ok=True)
        output.config.write_text(_HEADER + _to_toml(_settings(output)), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{directory}: {error.strerror or error}") from error
    return output


def _is_ours(output: Output) -> bool:
    try:
        return output.config.read_text(encoding="utf-8").startswith(_HEADER)
    except (OSError, UnicodeDecodeError):
        return False


def _settings(output: Output) -> dict[str, dict[str, Any]]:
    """The embedded defaults, but for free ports and the place of the data; and whoever looks on may
    try a call in the browser."""
    return {
        "http": {"host": _HOST, "port": 0},
        "sip": {"host": _HOST, "port": 0},
        "media": {"host": _HOST, "webrtc": True},
        "storage": {"data_dir": str(output.data_dir)},
    }


def _to_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    # A number or string of JSON is TOML as it stands.
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines.extend(
            f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()
        )
    return "\n".join(lines) + "\n"
