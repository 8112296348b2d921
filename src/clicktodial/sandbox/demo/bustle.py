"""Calls that come and go while the demonstration's server runs on, so that its live pages live."""

import asyncio
from collections.abc import Callable
from random import Random

import aiohttp

from clicktodial.sandbox.demo.client import ApiClient, Credential
from clicktodial.sandbox.demo.error import PlatformError
from clicktodial.sandbox.demo.history.cast import MEMBERS, SPONSORS
from clicktodial.sandbox.demo.journal import Entry

# A call every so often: some five live at a time, which a small machine carries beside a browser.
PAUSE_S = 6.0
TALK_S = (12.0, 45.0)
# By the last two digits of a callee (docs/sandbox.md): most answer, some are busy, do not answer,
# decline, do not exist or are away.
_ENDINGS = ("21", "22", "23", "24", "25", "06", "06", "01", "02", "03", "04", "05")
_CALLEES = "86177000000"
_CALLERS = "86137010000"
# Phones of callers whose last digits make them answer.
_FIRST_CALLER = 13


class Bustle:
    """Until it is cancelled, or the platform wants no more calls."""

    def __init__(self, base_url: str, credential: Credential, tell: Callable[[str], None]) -> None:
        self._base_url = base_url
        self._credential = credential
        self._tell = tell
        self._chance = Random()

    async def run(self) -> None:
        """Begin calls, and end them after a while."""
        async with (
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as talks,
        ):
            client = ApiClient(session, self._base_url, self._credential)
            while True:
                try:
                    call_id = await client.begin(self._draw())
                except PlatformError as error:
                    self._tell(f"no more calls of others: {error}")
                    return
                talks.create_task(self._end(client, call_id))
                await asyncio.sleep(PAUSE_S)

    async def _end(self, client: ApiClient, call_id: str) -> None:
        await asyncio.sleep(self._chance.uniform(*TALK_S))
        try:
            await client.release(call_id)
        except PlatformError:
            # It is over already: somebody was busy, or hung up.
            return

    def _draw(self) -> dict[str, object]:
        chance = self._chance
        return {
            "APPID": self._credential.app_id,
            "sponsor": chance.choice(SPONSORS[:4]),
            "caller": f"{_CALLERS}{chance.randrange(_FIRST_CALLER, len(MEMBERS)):02}",
            "callee": f"{_CALLEES}{chance.choice(_ENDINGS)}",
        }


def is_of_others(entry: Entry) -> bool:
    """Whether a phone of such a call reported it, which is not for the demonstration's output."""
    phone = str(entry.fields.get("phone", "")).removeprefix("+")
    return phone.startswith((_CALLEES, _CALLERS))
