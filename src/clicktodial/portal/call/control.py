"""What is done with a call that lives, and with what was told of it."""

from collections.abc import Awaitable, Callable

from clicktodial.domain.application import Application
from clicktodial.domain.cause import Side
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.portal.call.detail import show_call
from clicktodial.portal.call.list import CHANGERS
from clicktodial.portal.call.trial import TrialPages
from clicktodial.portal.form import Form
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Action, Answer, Redirect, Show, Visit
from clicktodial.storage.error import NotFound
from clicktodial.storage.event_replay import CallReplay

_Command = Callable[[Application, CallId, Form], Awaitable[None]]


class CallControls:
    """POST /calls/{call_id}/..."""

    def __init__(self, needs: ConsoleNeeds, trial: TrialPages) -> None:
        """What is done on the page of a trial is shown there."""
        self._needs = needs
        self._trial = trial

    def _create(self, command: _Command) -> Show:
        async def handle(visit: Visit) -> Answer:
            form = await visit.read_form()
            call_id = visit.path["call_id"]
            found = await self._needs.worker.run(
                lambda: self._needs.call_files.show(visit.principal, call_id)
            )
            visit.notes.enterprise_id = found.enterprise_id
            application = await self._needs.applications.find(AppId(found.call.app_id))
            if application is None:
                raise NotFound
            await command(application, CallId(call_id), form)
            if visit.target == "stage":
                return await self._trial.show_stage(visit, call_id)
            if visit.target:
                return await show_call(self._needs, visit)
            return Redirect(visit.link("call", call_id=call_id))

        return handle

    async def _release(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.release(application, call_id)

    async def _mute(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_muted(application, call_id, _side(form), muted=True)

    async def _unmute(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_muted(application, call_id, _side(form), muted=False)

    async def _hold(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_held(application, call_id, _side(form), held=True)

    async def _resume(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_held(application, call_id, _side(form), held=False)

    async def _pause(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_recording_paused(application, call_id, paused=True)

    async def _unpause(self, application: Application, call_id: CallId, form: Form) -> None:
        await self._needs.service.set_recording_paused(application, call_id, paused=False)

    async def replay(self, visit: Visit) -> Answer:
        """Deliver those notifications again that were given up."""
        await visit.read_form()
        call_id = visit.path["call_id"]

        def replay() -> tuple[int, str]:
            found = self._needs.call_files.show(visit.principal, call_id)
            replayed = self._needs.event_replays.replay_call(CallReplay(call_id=call_id))
            return replayed.count, found.enterprise_id

        count, visit.notes.enterprise_id = await self._needs.worker.run(replay)
        await self._needs.take_up_changes()
        told = visit.ngettext(
            "%(num)s notification is sent again.", "%(num)s notifications are sent again.", count
        )
        return Redirect(visit.link("call", call_id=call_id), toast=told)

    def actions(self) -> list[Action]:
        """What is done."""
        commands = {
            "releaseCall": ("release", self._release),
            "muteSide": ("mute", self._mute),
            "unmuteSide": ("unmute", self._unmute),
            "holdSide": ("hold", self._hold),
            "resumeSide": ("resume", self._resume),
            "pauseRecording": ("pause-recording", self._pause),
            "resumeRecording": ("resume-recording", self._unpause),
        }
        return [
            *(
                Action(
                    operation=operation,
                    path=f"/calls/{{call_id}}/{path}",
                    roles=CHANGERS,
                    handle=self._create(command),
                )
                for operation, (path, command) in commands.items()
            ),
            Action(
                operation="replayNotifications",
                path="/calls/{call_id}/notifications/replay",
                roles=CHANGERS,
                handle=self.replay,
            ),
        ]


def _side(form: Form) -> Side:
    """Raises NotFound: the page's own buttons say one of the two."""
    side = form.one_of("side", Side)
    if side is None:
        raise NotFound("there is no such side")
    return side
