"""The messages after the demonstrated call: their template, and the mailbox that they arrive in."""

import asyncio
from typing import TypeVar

import msgspec

from clicktodial.sandbox.demo.child import run_command
from clicktodial.sandbox.demo.error import ChildError, MissedError
from clicktodial.sandbox.demo.output import Output

TEMPLATE = "You spoke with {other} for {duration}. Call us at {sponsor}."
T = TypeVar("T")
# It is sent within a second of the call's end; looking takes as long.
_ARRIVAL_TIMEOUT_S = 15.0


class _Template(msgspec.Struct):
    template_id: str


class Arrival(msgspec.Struct, frozen=True):
    """A message that arrived; the number is masked."""

    recipient: str
    text: str


async def approve_template(output: Output, app_id: str) -> None:
    """Write what both parties are sent, and approve it. Raises ChildError."""
    config = ("--config", str(output.config), "--json")
    answer = await run_command("template", "add", app_id, "--text", TEMPLATE, *config)
    template = _decode(answer, _Template)
    await run_command("template", "approve", template.template_id, *config)


async def read_mailbox(output: Output, *, count: int) -> list[Arrival]:
    """What arrived, in order, once so many did. Raises ChildError or MissedError."""
    try:
        async with asyncio.timeout(_ARRIVAL_TIMEOUT_S):
            while True:
                answer = await run_command(
                    "messages", "mailbox", "--config", str(output.config), "--json"
                )
                arrived = _decode(answer, list[Arrival])
                if len(arrived) >= count:
                    return arrived[::-1]
    except TimeoutError as error:
        raise MissedError("the messages after the call did not arrive") from error


def _decode(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise ChildError(f"not what the command should answer: {answer!r}") from error
