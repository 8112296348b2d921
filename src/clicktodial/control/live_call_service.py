"""Admission and the registry of live calls: the CallService of one node."""

import asyncio

import structlog

from clicktodial.config import CallsSettings
from clicktodial.control.controller import CallController, CallDependencies
from clicktodial.control.error import (
    CallHasEnded,
    CallNotFound,
    NumberNotAuthorized,
    Overloaded,
)
from clicktodial.control.port import StoreError
from clicktodial.control.service import BeginCall
from clicktodial.domain.application import Application
from clicktodial.domain.call import CallPlan, CallState
from clicktodial.domain.call_input import ContinueRequested, PlatformStopping, ReleaseRequested
from clicktodial.domain.identifier import CallId, create_call_id, create_recording_id

log = structlog.get_logger()

# After the last BYE: as long as a recording may take (RECORDING_DEADLINE_S), and a little.
STOP_TIMEOUT_S = 6.0
_OVER = frozenset({CallState.FINISHING, CallState.ENDED})


class LiveCallService:
    """Admits calls, finds the live ones, and ends them all when the node stops."""

    def __init__(self, needs: CallDependencies, settings: CallsSettings) -> None:
        self._needs = needs
        self._settings = settings
        self._live: dict[CallId, CallController] = {}
        self._stopping = False
        self._all_over = asyncio.Event()
        self._all_over.set()

    @property
    def live_count(self) -> int:
        return len(self._live)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    async def begin(self, application: Application, request: BeginCall) -> CallId:
        """Admit the call and make it durable, then ring the caller.

        Raises NumberNotAuthorized or Overloaded.
        """
        options = application.options
        shown = {request.sponsor.e164, options.shown_to_caller, options.shown_to_callee} - {None}
        if not shown <= application.sponsors:
            raise NumberNotAuthorized
        self._check_room()
        controller = CallController(self._plan(application, request), self._needs, self._on_over)
        call_id = controller.call.plan.call_id
        self._live[call_id] = controller
        self._all_over.clear()
        try:
            # Shielded: an application that goes away must not stop a call half begun.
            await asyncio.shield(controller.begin())
        except StoreError as error:
            log.warning("call.not_stored", call_id=call_id, detail=str(error))
            raise Overloaded from error
        return call_id

    async def release(self, application: Application, call_id: CallId) -> None:
        """End the call in whatever state. Raises CallNotFound or CallHasEnded."""
        (await self._find(application, call_id)).feed(ReleaseRequested())

    async def continue_call(self, application: Application, call_id: CallId) -> None:
        """Lift the application's own maximum duration. Raises CallNotFound or CallHasEnded."""
        (await self._find(application, call_id)).feed(ContinueRequested())

    async def stop(self) -> None:
        """Take no more calls, wait for the live ones to end, then end what is left."""
        self._stopping = True
        if await self._wait_all_over(self._settings.drain_s):
            return
        for controller in list(self._live.values()):
            controller.feed(PlatformStopping())
        if not await self._wait_all_over(STOP_TIMEOUT_S):
            log.error("calls.left_open", count=len(self._live))

    async def _wait_all_over(self, timeout_s: float) -> bool:
        try:
            await asyncio.wait_for(self._all_over.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def _check_room(self) -> None:
        full = len(self._live) >= self._settings.live_max or not self._needs.relay.has_room()
        if self._stopping or full:
            raise Overloaded

    def _plan(self, application: Application, request: BeginCall) -> CallPlan:
        settings, options = self._settings, application.options
        return CallPlan(
            call_id=create_call_id(),
            app_id=application.app_id,
            sponsor=request.sponsor,
            caller=request.caller,
            callee=request.callee,
            recording_id=create_recording_id() if request.record else None,
            send_direction=request.send_direction,
            caller_ring_timeout_s=options.caller_ring_timeout_s or settings.caller_ring_timeout_s,
            callee_ring_timeout_s=options.callee_ring_timeout_s or settings.callee_ring_timeout_s,
            max_duration_s=min(
                settings.max_duration_s, options.max_duration_s or settings.max_duration_s
            ),
            application_max_duration_s=application.max_duration_s,
            options=options,
        )

    async def _find(self, application: Application, call_id: CallId) -> CallController:
        controller = self._live.get(call_id)
        if controller is None:
            if await self._needs.store.is_known(call_id, application.app_id):
                raise CallHasEnded
            raise CallNotFound
        if controller.call.plan.app_id != application.app_id:
            raise CallNotFound
        if controller.call.state in _OVER:
            raise CallHasEnded
        return controller

    def _on_over(self, controller: CallController) -> None:
        self._live.pop(controller.call.plan.call_id, None)
        if not self._live:
            self._all_over.set()
