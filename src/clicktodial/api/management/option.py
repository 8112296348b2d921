"""Options of calls: an application's own, and how a request's are laid over them."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from clicktodial.accounts.scope import require_visible
from clicktodial.api.management.problem import INVALID_VALUE, NOT_FOUND, Refused
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Strict, WrittenNumber, given_fields
from clicktodial.api.management.worker import Worker
from clicktodial.domain.cause import Side
from clicktodial.domain.number import NumberError, parse_number
from clicktodial.domain.plan import DEFAULT_OPTIONS, CallOptions, PresenceProof, Ringback
from clicktodial.domain.principal import Role
from clicktodial.media.audio_library import AudioLibrary
from clicktodial.storage.administration import Administration, ApplicationDetail
from clicktodial.storage.options_codec import PRESENCE_TIMEOUT_S_MAX, audios_of
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import DURATION_S_MAX

_CHANGING = frozenset({Role.OPERATOR, Role.OWNER, Role.DEVELOPER})
_READING = _CHANGING | {Role.READER, Role.ACCOUNT_MANAGER, Role.SUPPORT, Role.APPLICATION}
OPTION_NAMES = tuple(field.name for field in fields(CallOptions))

_Number = Annotated[
    WrittenNumber, Meta(description="Shown in place of the sponsor; one of the application's own.")
]
_RingTimeout = Annotated[
    int, Meta(ge=1, le=DURATION_S_MAX, description="Seconds; null is the platform's.")
]
_MaxDuration = Annotated[
    int,
    Meta(
        ge=1,
        le=DURATION_S_MAX,
        description="Seconds from the joining; Continue does not lift it. Null is the platform's.",
    ),
]
_Warning = Annotated[
    int, Meta(ge=0, le=DURATION_S_MAX, description="Seconds before the end; 0 warns nobody.")
]
_PresenceTimeout = Annotated[
    int,
    Meta(
        ge=1,
        le=PRESENCE_TIMEOUT_S_MAX,
        description="Seconds that a caller has to show that a person is there.",
    ),
]
_Sides = Annotated[
    list[Side], Meta(min_length=1, max_length=2, description="The sides that hear it.")
]
_AudioName = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9-]{0,31}$",
        description="Of the audio library; null is what is built in, or nothing.",
    ),
]
_HidesNumber = Annotated[bool, Meta(description="Both parties see no number at all (RFC 3323).")]


class OptionsChange(Strict, frozen=True):
    """Options of calls, those that are given; null takes one away."""

    shown_to_caller: _Number | UnsetType | None = UNSET
    shown_to_callee: _Number | UnsetType | None = UNSET
    hides_number: _HidesNumber | UnsetType = UNSET
    caller_ring_timeout_s: _RingTimeout | UnsetType | None = UNSET
    callee_ring_timeout_s: _RingTimeout | UnsetType | None = UNSET
    max_duration_s: _MaxDuration | UnsetType | None = UNSET
    warning_before_end_s: _Warning | UnsetType = UNSET
    warning_to: _Sides | UnsetType = UNSET
    ringback: Ringback | UnsetType = UNSET
    announcement: _AudioName | UnsetType | None = UNSET
    announcement_to: _Sides | UnsetType = UNSET
    ringback_audio: _AudioName | UnsetType | None = UNSET
    warning_audio: _AudioName | UnsetType | None = UNSET
    presence: PresenceProof | UnsetType = UNSET
    presence_audio: _AudioName | UnsetType | None = UNSET
    presence_timeout_s: _PresenceTimeout | UnsetType = UNSET
    hold_audio: _AudioName | UnsetType | None = UNSET


class Options(Strict, frozen=True):
    """Options of an application's calls. Null is the platform's own; numbers are E.164."""

    shown_to_caller: _Number | None
    shown_to_callee: _Number | None
    hides_number: _HidesNumber
    caller_ring_timeout_s: _RingTimeout | None
    callee_ring_timeout_s: _RingTimeout | None
    max_duration_s: _MaxDuration | None
    warning_before_end_s: _Warning
    warning_to: _Sides
    ringback: Ringback
    announcement: _AudioName | None
    announcement_to: _Sides
    ringback_audio: _AudioName | None
    warning_audio: _AudioName | None
    presence: PresenceProof
    presence_audio: _AudioName | None
    presence_timeout_s: _PresenceTimeout
    hold_audio: _AudioName | None


def parse_options(change: OptionsChange, *, region: str, pointer: str) -> dict[str, Any]:
    """The fields of CallOptions that change. `pointer` is where the options stand in the body.

    Raises Refused.
    """
    given = given_fields(change)
    for name in ("shown_to_caller", "shown_to_callee"):
        if given.get(name) is not None:
            given[name] = parse_e164(given[name], region=region, pointer=f"{pointer}/{name}")
    for name in ("warning_to", "announcement_to"):
        if name in given:
            given[name] = frozenset(given[name])
    return given


def parse_e164(written: str, *, region: str, pointer: str) -> str:
    """The number in E.164. Raises Refused."""
    try:
        return parse_number(written, region).e164
    except NumberError as error:
        raise Refused(INVALID_VALUE, "it is not a telephone number", pointer=pointer) from error


def check_audios(library: AudioLibrary, names: Iterable[str]) -> None:
    """A name that is mistyped is to be told now, not by a call that fails. Reads the disk; raises
    Refused."""
    for name in names:
        if not library.has(name):
            raise Refused(INVALID_VALUE, f"there is no audio {name}")


class OptionResource:
    """The options of applications."""

    def __init__(
        self,
        administration: Administration,
        transactions: Transactions,
        library: AudioLibrary,
        worker: Worker,
        *,
        region: str,
    ) -> None:
        self._administration = administration
        self._transactions = transactions
        self._library = library
        self._worker = worker
        self._region = region

    async def show(self, ask: Ask) -> Options:
        """GET"""
        application = ask.identity.application
        if application is not None:
            if application.app_id != ask.path["app_id"]:
                raise Refused(NOT_FOUND)
            return render_options(application.options)
        return render_options((await self._find(ask)).options)

    async def change(self, ask: Ask) -> Options:
        """PATCH"""
        change = await ask.read(OptionsChange)
        given = parse_options(change, region=self._region, pointer="")
        await self._find(ask)
        return await self._apply(ask.path["app_id"], lambda known: replace(known, **given))

    async def reset(self, ask: Ask) -> Options:
        """DELETE of one"""
        option = ask.path["option"]
        if option not in OPTION_NAMES:
            raise Refused(NOT_FOUND, "there is no such option")
        await self._find(ask)
        default = getattr(DEFAULT_OPTIONS, option)
        return await self._apply(
            ask.path["app_id"], lambda known: replace(known, **{option: default})
        )

    async def _find(self, ask: Ask) -> ApplicationDetail:
        """The application of the path, where it is of the asker's business."""
        app_id = ask.path["app_id"]

        def find() -> ApplicationDetail:
            detail = self._administration.show_application(app_id)
            with self._transactions.read() as connection:
                require_visible(connection, ask.principal, detail.enterprise_id)
            return detail

        detail = await self._worker.run(find)
        ask.notes.enterprise_id = detail.enterprise_id
        return detail

    async def _apply(self, app_id: str, change: Callable[[CallOptions], CallOptions]) -> Options:
        def change_and_check(known: CallOptions) -> CallOptions:
            changed = change(known)
            # Of an audio that was removed meanwhile, other options may be changed all the same.
            new = set(audios_of(changed)) - set(audios_of(known))
            check_audios(self._library, sorted(new))
            return changed

        options = await self._worker.run(
            partial(self._administration.change_options, app_id, change_and_check)
        )
        return render_options(options)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        app_id = Parameter("app_id", "The application.", {"type": "string"}, example="12345678")
        option = Parameter(
            "option", "The name of one.", {"enum": list(OPTION_NAMES)}, example="presence"
        )
        path = "/applications/{app_id}/options"
        example = Options(**_options_fields(DEFAULT_OPTIONS))
        tag = "Applications"
        return [
            Route(
                name="showOptions",
                method="GET",
                path=path,
                tag=tag,
                summary="Read the options of an application's calls",
                about="A program may read those of its own application.",
                roles=_READING,
                handle=self.show,
                answer=Options,
                answer_example=example,
                parameters=(app_id,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="changeOptions",
                method="PATCH",
                path=path,
                tag=tag,
                summary="Change the options of an application's calls",
                about="Only what is given changes; null takes an option away. It holds for calls "
                "that begin from now on.",
                roles=_CHANGING,
                handle=self.change,
                body=OptionsChange,
                body_example={"presence": "key", "max_duration_s": 600},
                answer=Options,
                answer_example=example,
                parameters=(app_id,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
            Route(
                name="resetOption",
                method="DELETE",
                path=f"{path}/{{option}}",
                tag=tag,
                summary="Reset an option to its default",
                about="Answers with all options as they are now.",
                roles=_CHANGING,
                handle=self.reset,
                answer=Options,
                answer_example=example,
                parameters=(app_id, option),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
        ]


def render_options(options: CallOptions) -> Options:
    """As answered."""
    return Options(**_options_fields(options))


def _options_fields(options: CallOptions) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in OPTION_NAMES}
    for name in ("warning_to", "announcement_to"):
        values[name] = sorted(values[name])
    return values
