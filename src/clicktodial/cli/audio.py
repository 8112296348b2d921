"""`clicktodial audio`: audio of the operator's own, for announcements and tones."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import read_settings

if TYPE_CHECKING:
    from clicktodial.media.audio_library import AudioLibrary

app = typer.Typer(no_args_is_help=True, help="Audio of one's own: announcements, tones.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")]


@app.command("add")
def add(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="WAV, MP3, OGG or FLAC, a minute at most.")
    ],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add an audio file, or replace the one of that name, from the next call on."""
    from clicktodial.media.audio_import import import_audio
    from clicktodial.media.audio_library import AudioError

    directory = open_library(config).directory
    try:
        with file.open("rb") as source:
            audio = asyncio.run(import_audio(directory, name, source))
    except OSError as error:
        told = f"{file}: it cannot be read: {error.strerror}"
        raise CommandError(told, kind="AudioInvalid") from error
    except AudioError as error:
        raise CommandError(f"{file}: {error}", kind="AudioInvalid") from error
    answer = {"name": audio.name, "duration_s": round(audio.duration_s, 3)}
    tell(answer, f"{name} plays for {audio.duration_s:.1f} seconds.", as_json=as_json)


@app.command("list")
def list_all(*, config: Config = None, as_json: Json = False) -> None:
    """List them."""
    audios = open_library(config).list()
    rows = [(audio.name, f"{audio.duration_s:.1f}") for audio in audios]
    text = format_table(("NAME", "SECONDS"), rows, empty="There is no audio.")
    answer = [{"name": each.name, "duration_s": round(each.duration_s, 3)} for each in audios]
    tell(answer, text, as_json=as_json)


@app.command("remove")
def remove(name: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Remove one. Calls whose announcement it is end when they come to it."""
    from clicktodial.media.audio_library import AudioError

    try:
        removed = open_library(config).remove(name)
    except AudioError as error:
        raise CommandError(f"{name}: {error}", kind="AudioInvalid") from error
    if not removed:
        raise CommandError(f"there is no audio {name}", kind="NotFound")
    tell({"name": name, "removed": True}, f"{name} is removed.", as_json=as_json)


def open_library(config: Path | None) -> "AudioLibrary":
    """That of the server of these settings."""
    from clicktodial.media.audio_library import AudioLibrary

    return AudioLibrary(read_settings(config).audio_dir)
