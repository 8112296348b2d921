"""How an application's calls go: what is shown, rung, played, proved and cut off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from clicktodial.domain.cause import Side
from clicktodial.domain.plan import CallOptions, PresenceProof, Ringback
from clicktodial.media.audio_library import Audio
from clicktodial.portal.application.shared import (
    CHANGING,
    READING,
    ApplicationDeskPages,
    Tab,
)
from clicktodial.portal.call_option import PROOFS, RINGBACKS, choices
from clicktodial.portal.form import Form
from clicktodial.portal.label import label_of
from clicktodial.portal.page import Action, Answer, Page, Redirect, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import ApplicationDetail
from clicktodial.storage.options_codec import PRESENCE_TIMEOUT_S_MAX
from clicktodial.storage.value import DURATION_S_MAX

# As numbers are written in requests; names of audio are as short.
_NUMBER_CHARACTERS_MAX = 32
_AUDIO_CHARACTERS_MAX = 32


class Group(StrEnum):
    """Settings that are changed together."""

    SHOWN = "shown"
    RINGING = "ringing"
    PRESENCE = "presence"
    TALKING = "talking"
    LENGTH = "length"
    RECORDING = "recording"


GROUPS = {
    Group.SHOWN: mark("Number shown"),
    Group.RINGING: mark("Ringing"),
    Group.PRESENCE: mark("Proof of a person"),
    Group.TALKING: mark("Announcement and hold"),
    Group.LENGTH: mark("Length and warning"),
    Group.RECORDING: mark("Recording"),
}


@dataclass(frozen=True, slots=True)
class _Audio:
    """An option that plays something: the tone that is played without one, "" for nothing."""

    name: str
    built_in: str


AUDIO_OPTIONS: Mapping[Group, Sequence[_Audio]] = {
    Group.RINGING: (_Audio("ringback_audio", "ringback"),),
    Group.PRESENCE: (_Audio("presence_audio", "presence"),),
    Group.TALKING: (_Audio("announcement", ""), _Audio("hold_audio", "hold")),
    Group.LENGTH: (_Audio("warning_audio", "warning"),),
}


class OptionPages(ApplicationDeskPages):
    """GET and POST /applications/{app_id}/options"""

    async def show(self, visit: Visit) -> Answer:
        """One group of them, which the address names."""
        detail = await self.find(visit)
        group = _group_of(visit.query.get("group"))
        options = detail.options
        form = visit.form(
            **{name: getattr(options, name) for name in CallOptions.__dataclass_fields__}
        )
        form.fill(hides="yes" if options.hides_number else None)
        return await self._view(visit, detail, group, form)

    async def change(self, visit: Visit) -> Answer:
        """The group that was sent."""
        detail = await self.find(visit)
        form = await visit.read_form()
        group = form.one_of("group", Group) or Group.SHOWN
        given = self._parse(group, form, detail)
        library, administration = self._needs.library, self._needs.administration

        def change(known: CallOptions) -> CallOptions:
            return replace(known, **given)

        def missing() -> list[str]:
            names = [each.name for each in AUDIO_OPTIONS.get(group, ())]
            return [
                name
                for name in names
                if given[name] is not None
                and given[name] != getattr(detail.options, name)
                and not library.has(given[name])
            ]

        for name in await self._needs.worker.run(missing):
            form.fail(name, mark("There is no such audio any more."))
        if not form.is_valid or not await self.do(
            lambda: administration.change_options(detail.app_id, change), form
        ):
            return await self._view(visit, detail, group, form, 422)
        href = visit.link(Tab.OPTIONS, app_id=detail.app_id, group=group)
        return Redirect(href, toast=visit.gettext("Saved. It holds for calls from now on."))

    def _parse(self, group: Group, form: Form, detail: ApplicationDetail) -> dict[str, Any]:
        """The options of that group, as they were sent."""
        given: dict[str, Any] = {}
        for each in AUDIO_OPTIONS.get(group, ()):
            text = form.text(each.name, is_required=False, characters_max=_AUDIO_CHARACTERS_MAX)
            given[each.name] = text or None
        match group:
            case Group.SHOWN:
                for name in ("shown_to_caller", "shown_to_callee"):
                    number = form.text(
                        name, is_required=False, characters_max=_NUMBER_CHARACTERS_MAX
                    )
                    given[name] = number or None
                given["hides_number"] = form.is_ticked("hides")
            case Group.RINGING:
                for name in ("caller_ring_timeout_s", "callee_ring_timeout_s"):
                    given[name] = form.whole(name, least=1, most=DURATION_S_MAX, is_required=False)
                given["ringback"] = form.one_of("ringback", Ringback)
            case Group.PRESENCE:
                given["presence"] = form.one_of("presence", PresenceProof)
                given["presence_timeout_s"] = form.whole(
                    "presence_timeout_s", least=1, most=PRESENCE_TIMEOUT_S_MAX
                )
            case Group.TALKING:
                given["announcement_to"] = _sides(form, "announcement_to")
            case Group.LENGTH:
                given["max_duration_s"] = form.whole(
                    "max_duration_s", least=1, most=DURATION_S_MAX, is_required=False
                )
                given["warning_before_end_s"] = form.whole(
                    "warning_before_end_s", least=0, most=DURATION_S_MAX
                )
                given["warning_to"] = _sides(form, "warning_to")
            case Group.RECORDING:
                pass
        return given

    async def _view(
        self, visit: Visit, detail: ApplicationDetail, group: Group, form: Form, status: int = 200
    ) -> View:
        word = visit.words.look_up

        def read() -> list[Audio]:
            return self._needs.library.list()

        return self.view(
            visit,
            detail,
            Tab.OPTIONS,
            "options",
            status,
            form=form,
            group=group,
            groups=[
                (visit.link(Tab.OPTIONS, app_id=detail.app_id, group=each), word(words))
                for each, words in GROUPS.items()
            ],
            group_words=word(GROUPS[group]),
            audios=await self._needs.worker.run(read),
            defaults=self._needs.call_defaults,
            number_options=[(number, number) for number in detail.sponsors],
            ringback_options=choices(visit, RINGBACKS),
            presence_options=choices(visit, PROOFS),
            side_options=[(side, word(label_of(side))) for side in Side],
        )

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name=Tab.OPTIONS,
                path="/applications/{app_id}/options",
                title=mark("Call settings"),
                roles=READING,
                show=self.show,
                operations=("showOptions",),
                parent="applications",
                example_query="group=ringing",
            )
        ]

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="changeOptions",
                path="/applications/{app_id}/options",
                roles=CHANGING,
                handle=self.change,
            )
        ]


def _group_of(text: str | None) -> Group:
    return Group(text) if text in set(Group) else Group.SHOWN


def _sides(form: Form, name: str) -> frozenset[Side]:
    sides = form.all_of(name, Side)
    if not sides:
        form.fail(name, mark("Somebody must hear it."))
    return sides
