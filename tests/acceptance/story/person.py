"""Somebody at a browser: known by a session, asking the management API of a running platform."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import aiohttp
from tests.harness.address import format_address
from tests.harness.platform import Platform
from tests.harness.sink import EVENT_TIMEOUT_S

# What other processes and tasks do is looked for so often.
POLL_S = 0.05
_LINK = re.compile(r"/(activate|reset-password)#(a_[\w-]+)")


class Person:
    """Somebody with an account, or who is about to have one."""

    def __init__(self, platform: Platform, http: aiohttp.ClientSession, account: str) -> None:
        self.account = account
        self.email = f"{account}@example.com"
        self.password = f"the long password of {account}"
        self._platform = platform
        self._http = http
        self._token: str | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """A request that must be answered so; returns its JSON, or its bytes where it is none."""
        answered, content = await self.try_to(method, path, body, query=query)
        assert answered == status, f"{self.account}: {method} {path}: {answered} {content!r}"
        return content

    async def try_to(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """A request, whatever it is answered."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"http://{format_address(self._platform.http)}/management/v1{path}"
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._http.request(
            method, url, headers=headers, params=query, **content
        ) as answer:
            if answer.content_type.endswith("json"):
                return answer.status, await answer.json(content_type=None)
            return answer.status, await answer.read()

    async def wait_until(
        self,
        path: str,
        is_so: Callable[[Any], bool],
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Look there until it is as it will be; returns what is there then."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            # Another process does it.
            while not is_so(found := await self.ask("GET", path, query=query)):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        return found

    async def follow_link(self, token: str) -> Self:
        """Choose a password behind the link of a mail; the account is there."""
        body = {"token": token, "password": self.password, "phone": "01052680009"}
        await self.ask("POST", "/activations", body, status=201)
        return self

    async def log_in(self) -> Self:
        """With account and password."""
        body = {"account": self.account, "password": self.password}
        self._token = (await self.ask("POST", "/sessions", body, status=201))["token"]
        return self


class Staff(Person):
    """One of the operator's people."""

    async def join(self, *roles: str, regions: tuple[str, ...] = ()) -> Self:
        """Be invited from the operator's shell, follow the link that it prints, and log in."""
        options = [word for role in roles for word in ("--role", role)]
        options += [word for region in regions for word in ("--region", region)]
        created = await self._platform.command(
            "user", "create", "--email", self.email, "--account", self.account, *options
        )
        await self.follow_link(created["token"])
        return await self.log_in()

    async def read_mail_to(self, email: str, subject: str) -> str:
        """What the embedded mailbox has for somebody, once it is there: the text."""

        def find(page: Any) -> list[str]:
            return [
                mail["mail_id"]
                for mail in page["mails"]
                if (mail["to"], mail["subject"], mail["state"]) == (email, subject, "sent")
            ]

        newest, *_ = find(await self.wait_until("/mail", lambda page: bool(find(page))))
        return str((await self.ask("GET", f"/mail/{newest}"))["text"])

    async def find_work_order(self, kind: str, enterprise_id: str) -> dict[str, Any]:
        """The one that waits for a decision."""
        query = {"kind": kind, "state": "open", "enterprise_id": enterprise_id}
        [order] = (await self.ask("GET", "/work-orders", query=query))["work_orders"]
        return dict(order)

    async def decide(
        self, kind: str, enterprise_id: str, *, approved: bool = True, reason: str = "in order"
    ) -> dict[str, Any]:
        """Take the work order of that kind from the queue and decide it: it is archived."""
        order = await self.find_work_order(kind, enterprise_id)
        body = {"approved": approved, "reason": reason}
        path = f"/work-orders/{order['work_order_id']}/decide"
        decided = await self.ask("POST", path, body)
        assert decided["state"] == "archived"
        return dict(decided)


def find_token(mail: str) -> str:
    """The token of the link in a mail."""
    link = _LINK.search(mail)
    assert link is not None, mail
    return link[2]
