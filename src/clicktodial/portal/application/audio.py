"""What is played to people: the operator's own audio, and the built-in tones."""

import io
import wave
from pathlib import Path

from clicktodial.control.error import Overloaded
from clicktodial.domain.principal import Role
from clicktodial.media.audio_import import import_audio
from clicktodial.media.audio_library import (
    AUDIO_SECONDS_MAX,
    FILE_BYTES_MAX,
    AudioError,
    check_audio_name,
)
from clicktodial.media.g711 import SAMPLE_RATE_HZ
from clicktodial.media.prompt import BUILT_IN, create_tone
from clicktodial.portal.application.shared import READING
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    Action,
    Answer,
    Clip,
    Nav,
    Page,
    Redirect,
    Section,
    View,
    Visit,
)
from clicktodial.portal.text import mark
from clicktodial.storage.error import NotFound

_OPERATOR = frozenset({Role.OPERATOR})
# Each is a process while it is decoded, beside live calls. Nobody uploads many at a time.
UPLOADS_MAX = 2
_NAME_CHARACTERS_MAX = 32
TONES = {
    "ringback": mark("Ringing tone"),
    "warning": mark("Warning before the end"),
    "presence": mark("Request for a key"),
    "hold": mark("Tone on hold"),
}


class AudioPages:
    """GET and POST /audio, and the sound of each."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs
        self._uploads = 0

    async def show(self, visit: Visit) -> Answer:
        """All of it."""
        return await self._view(visit, visit.form())

    async def upload(self, visit: Visit) -> Answer:
        """One more, or another in place of one; it is decoded in a process of its own."""
        form = await visit.read_form()
        name = form.text("name", characters_max=_NAME_CHARACTERS_MAX)
        upload = form.upload("file")
        if form.is_valid and upload is not None:
            try:
                check_audio_name(name)
            except AudioError as error:
                form.refuse_as(error, "name")
        if not form.is_valid or upload is None:
            return await self._view(visit, form, 422)
        if self._uploads >= UPLOADS_MAX:
            raise Overloaded
        self._uploads += 1
        try:
            audio = await import_audio(self._needs.library.directory, name, upload.file)
        except AudioError as error:
            form.refuse_as(error, "file")
            return await self._view(visit, form, 422)
        finally:
            self._uploads -= 1
        visit.notes.subjects["name"] = name
        toast = visit.gettext("%(name)s can be chosen now.", name=audio.name)
        return Redirect(visit.link("audio"), toast=toast)

    async def remove(self, visit: Visit) -> Answer:
        """POST /audio/{audio}/remove"""
        await visit.read_form()
        name = visit.path["audio"]
        if not await self._needs.worker.run(lambda: self._needs.library.remove(name)):
            raise NotFound
        toast = visit.gettext("%(name)s is removed.", name=name)
        return Redirect(visit.link("audio"), toast=toast)

    async def play(self, visit: Visit) -> Answer:
        """GET /audio/sample?name=...: as WAV."""
        name = visit.query.get("name", "")
        if name in BUILT_IN:
            return _clip(name, _render_tone(name))

        def read() -> bytes:
            # A name of ours alone is part of a path.
            if not self._needs.library.has(name):
                raise NotFound
            return Path(self._needs.library.directory, f"{name}.wav").read_bytes()

        try:
            return _clip(name, await self._needs.worker.run(read))
        except FileNotFoundError as error:
            raise NotFound from error

    async def _view(self, visit: Visit, form: Form, status: int = 200) -> View:
        word = visit.words.look_up
        context = {
            "form": form,
            "audios": await self._needs.worker.run(self._needs.library.list),
            "tones": [(name, word(words), BUILT_IN[name]) for name, words in TONES.items()],
            "seconds_max": AUDIO_SECONDS_MAX,
            "megabytes_max": FILE_BYTES_MAX // 1024 // 1024,
        }
        return View("application/audio.html", context, status)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="audio",
                path="/audio",
                title=mark("Audio"),
                roles=_OPERATOR,
                show=self.show,
                operations=("listAudio",),
                nav=Nav(Section.SYSTEM, 60, "volume-2"),
            ),
            Page(
                name="audioSample",
                path="/audio/sample",
                title=mark("Audio"),
                roles=READING,
                show=self.play,
                is_file=True,
                example_query="name=ringback",
            ),
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="uploadAudio",
                path="/audio",
                roles=_OPERATOR,
                handle=self.upload,
                file_bytes_max=FILE_BYTES_MAX,
            ),
            Action(
                operation="removeAudio",
                path="/audio/{audio}/remove",
                roles=_OPERATOR,
                handle=self.remove,
            ),
        ]


def _clip(name: str, content: bytes) -> Clip:
    return Clip(lambda: io.BytesIO(content), len(content), f"{name}.wav", "audio/wav")


def _render_tone(name: str) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes(create_tone(BUILT_IN[name]).astype("<i2").tobytes())
    return file.getvalue()
