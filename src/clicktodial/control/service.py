"""The use cases of a call, as the APIs call them."""

from dataclasses import dataclass
from typing import Protocol

from clicktodial.domain.application import Application
from clicktodial.domain.call import SendDirection
from clicktodial.domain.identifier import CallId
from clicktodial.domain.number import PhoneNumber


@dataclass(frozen=True, slots=True)
class BeginCall:
    """What an application asks for, validated."""

    sponsor: PhoneNumber
    caller: PhoneNumber
    callee: PhoneNumber
    record: bool = False
    send_direction: SendDirection | None = None


class CallService(Protocol):
    """What an API may do with calls."""

    async def begin(self, application: Application, request: BeginCall) -> CallId:
        """Admit the call and make it durable, then ring the caller.

        Raises NumberNotAuthorized or Overloaded.
        """

    async def release(self, application: Application, call_id: CallId) -> None:
        """End the call in whatever state. Raises CallNotFound or CallHasEnded."""

    async def continue_call(self, application: Application, call_id: CallId) -> None:
        """Lift the application's own maximum duration. Raises CallNotFound or CallHasEnded."""
