"""`/audio`: the operator's own audio, for announcements and tones."""

import tempfile
from typing import Annotated, Any

from msgspec import Meta

from clicktodial.api.management.problem import (
    AUDIO_REFUSED,
    BODY_TOO_LONG,
    NOT_FOUND,
    OVERLOADED,
    Refused,
)
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Strict
from clicktodial.api.management.upload import UPLOAD_MEDIA, write_body
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.media.audio_import import import_audio
from clicktodial.media.audio_library import (
    FILE_BYTES_MAX,
    Audio,
    AudioError,
    AudioLibrary,
    check_audio_name,
)

# Each is a process while it is decoded, beside live calls. Nobody uploads many at a time.
UPLOADS_MAX = 2
UPLOAD_RETRY_AFTER_S = 5

_Seconds = Annotated[float, Meta(ge=0, description="How long it plays.")]


class AudioView(Strict, frozen=True):
    """One audio of the library."""

    name: str
    duration_s: _Seconds


class AudioList(Strict, frozen=True):
    """All of the library, by name."""

    audio: list[AudioView]


class AudioResource:
    """The audio library of this node."""

    def __init__(self, library: AudioLibrary, worker: Worker) -> None:
        self._library = library
        self._worker = worker
        self._uploads = 0

    async def list_all(self, _: Ask) -> AudioList:
        """GET"""
        audios = await self._worker.run(self._library.list)
        return AudioList(audio=[_render(audio) for audio in audios])

    async def upload(self, ask: Ask) -> AudioView:
        """PUT: the file goes to disk as it comes, and is decoded in a process of its own."""
        name = ask.path["name"]
        if self._uploads >= UPLOADS_MAX:
            raise Refused(OVERLOADED, retry_after_s=UPLOAD_RETRY_AFTER_S)
        self._uploads += 1
        try:
            check_audio_name(name)
            # Without a name, so that nothing is left of it whatever happens.
            with tempfile.TemporaryFile() as file:
                await write_body(ask.receive, file, bytes_max=FILE_BYTES_MAX)
                return _render(await import_audio(self._library.directory, name, file))
        except AudioError as error:
            raise Refused(AUDIO_REFUSED, str(error)) from error
        finally:
            self._uploads -= 1

    async def remove(self, ask: Ask) -> None:
        """DELETE"""
        name = ask.path["name"]
        try:
            removed = await self._worker.run(lambda: self._library.remove(name))
        except AudioError as error:
            raise Refused(AUDIO_REFUSED, str(error)) from error
        if not removed:
            raise Refused(NOT_FOUND, "there is no audio of that name")

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        shared: dict[str, Any] = {"tag": "Audio", "roles": frozenset({Role.OPERATOR})}
        example = AudioView(name="notice", duration_s=2.5)
        name = Parameter(
            "name",
            "1-32 small letters, digits and hyphens.",
            {"type": "string", "maxLength": 32},
            example="notice",
        )
        return [
            Route(
                name="listAudio",
                method="GET",
                path="/audio",
                summary="List the audio library",
                about="What options of calls may name.",
                handle=self.list_all,
                answer=AudioList,
                answer_example=AudioList(audio=[example]),
                **shared,
            ),
            Route(
                name="uploadAudio",
                method="PUT",
                path="/audio/{name}",
                summary="Upload audio",
                about=f"The body is the file: WAV, MP3, OGG or FLAC, of at most {FILE_BYTES_MAX} "
                "bytes, a tenth of a second to a minute. It is converted to telephone quality, as "
                "loud as it is. One of that name is replaced from the next call on.",
                handle=self.upload,
                media=UPLOAD_MEDIA,
                body=bytes,
                answer=AudioView,
                answer_example=example,
                parameters=(name,),
                problems=(AUDIO_REFUSED, BODY_TOO_LONG),
                **shared,
            ),
            Route(
                name="removeAudio",
                method="DELETE",
                path="/audio/{name}",
                summary="Remove audio",
                about="Where it was an announcement, change the options that name it first: such "
                "calls end when they come to it.",
                handle=self.remove,
                status=204,
                parameters=(name,),
                problems=(NOT_FOUND, AUDIO_REFUSED),
                **shared,
            ),
        ]


def _render(audio: Audio) -> AudioView:
    return AudioView(name=audio.name, duration_s=round(audio.duration_s, 3))
