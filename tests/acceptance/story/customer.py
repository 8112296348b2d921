"""A customer: somebody who wants to use the service, and what they do for that."""

import io
from typing import Any

import soundfile
from numpy.typing import NDArray
from tests.acceptance.story.person import Person, find_token
from tests.accounts.business import DATA, PAPERS
from tests.harness.client import Answer, Application, PlacedCall
from tests.harness.platform import Platform
from tests.harness.sink import Sink

from clicktodial.domain.customer import DocumentKind

COMPANY = "Example Couriers"


class Customer(Person):
    """Owner of an enterprise, once the account is there."""

    enterprise_id: str

    @property
    def own(self) -> str:
        """Where the enterprise's things are."""
        return f"/enterprises/{self.enterprise_id}"

    async def register(self, region: str) -> None:
        """Tell who they are; a link comes by mail."""
        body = {
            "account": self.account,
            "email": self.email,
            "phone": "8613912345673",
            "enterprise_name": COMPANY,
            "region": region,
        }
        await self.ask("POST", "/registrations", body, status=202)

    async def activate_by(self, mail: str) -> None:
        """Follow the link of that mail, and log in."""
        await self.follow_link(find_token(mail))
        await self.log_in()
        self.enterprise_id = (await self.ask("GET", "/me"))["user"]["enterprise_id"]

    async def tell_intention(self, region: str) -> dict[str, Any]:
        """That they want to subscribe."""
        body = {
            "enterprise_name": COMPANY,
            "region": region,
            "contact_person": "Li Lei",
            "contact_phone": "13912345673",
            "contact_email": self.email,
        }
        return dict(await self.ask("POST", "/intentions", body, status=201))

    async def bring_papers(self) -> None:
        """Who the enterprise is, and the documents that show it."""
        await self.ask("PATCH", f"{self.own}/data", DATA | {"handler_email": self.email})
        for kind, content in PAPERS.items():
            await self.bring(kind, content)

    async def bring(self, kind: DocumentKind, content: bytes) -> None:
        """A document, for the first time or in place of another."""
        await self.ask("POST", f"{self.own}/documents", content, status=201, query={"kind": kind})

    async def submit_for_review(self) -> None:
        """Ask for the review, for the first time or again."""
        await self.ask("POST", f"{self.own}/review")

    async def order_numbers(self, *numbers: str) -> None:
        """Order online."""
        body = {"numbers": list(numbers)}
        order = await self.ask("POST", "/number-orders", body, status=201)
        assert (order["channel"], order["state"]) == ("online", "open")

    async def import_members(self, table: str) -> str:
        """From a file of CSV; returns the identifier of the import."""
        path = f"{self.own}/member-imports"
        return str((await self.ask("POST", path, table.encode(), status=201))["import_id"])

    async def state(self) -> str:
        """How far the enterprise is in its life."""
        return str((await self.ask("GET", self.own))["enterprise"]["state"])


class Program(Application):
    """The customer's own application, with the key that it was shown once."""

    def __init__(self, platform: Platform, sink: Sink, created: dict[str, Any]) -> None:
        super().__init__(platform, sink, app_id=created["app_id"], secret=created["secret"])

    async def try_begin(self, *, sponsor: str, caller: str, callee: str) -> Answer:
        """A begin, whatever it is answered."""
        numbers = {"sponsor": sponsor, "caller": caller, "callee": callee}
        return await self.post("clicktodialbegin", {"APPID": self.app_id, **numbers})


async def hear(call: PlacedCall, recording_id: str) -> tuple[NDArray[Any], int]:
    """The recording as v1 hands it out: samples of caller and callee, and their rate."""
    samples, rate = soundfile.read(io.BytesIO(await call.download(recording_id)))
    return samples, rate
