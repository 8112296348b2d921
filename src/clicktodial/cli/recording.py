"""`clicktodial recording`: conversations, as files."""

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.call import Url, load_application
from clicktodial.cli.error import CommandError
from clicktodial.cli.option import CallIdArgument, Config, Json
from clicktodial.cli.output import tell
from clicktodial.cli.session import open_history, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(no_args_is_help=True, help="Recordings of calls.")


# Without it the only command would take the place of its group.
@app.callback()
def group() -> None:
    """Recordings of calls."""


@app.command("fetch")
def fetch(
    call_id: CallIdArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the audio file.")
    ],
    url: Url = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Download a call's recording from the running server."""
    from clicktodial.cli.client import Client, server_address

    settings = read_settings(config)
    with open_history(settings) as history:
        record, _ = history.call(call_id)
    if record.recording_id is None:
        raise CommandError(f"call {call_id} was not recorded", kind="NotFound")
    client = Client(server_address(settings, url), load_application(settings, record.app_id))
    with client.download(call_id, record.recording_id) as pieces:
        size_bytes, sha256 = _write(output, pieces)
    answer = {
        "call_id": call_id,
        "recording_id": record.recording_id,
        "path": str(output),
        "size_bytes": size_bytes,
        "sha256": sha256,
    }
    tell(answer, f"{output}: {size_bytes} bytes, SHA-256 {sha256}", as_json=as_json)


def _write(path: Path, pieces: "Iterator[bytes]") -> tuple[int, str]:
    """Write all or nothing: a file of that name is either as it was or whole."""
    partial = path.with_name(path.name + ".part")
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size_bytes += len(piece)
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}", kind="FileError") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return size_bytes, digest.hexdigest()
