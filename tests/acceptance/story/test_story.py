"""The whole story of a customer, over the REST API of a running platform: from the registration to
the end of the service, with a recorded call between two real phones on the way."""

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pypdf import PdfReader
from tests.acceptance.story.customer import COMPANY, Customer, Program, hear
from tests.acceptance.story.person import Staff
from tests.accounts.paper import png
from tests.harness.client import CALLEE, CALLER, Answer, PlacedCall
from tests.harness.phone import PhoneState
from tests.harness.stage import ANSWERED, Stage, open_stage
from tests.harness.tone import dominant_frequency_hz

from clicktodial.billing.statement_page import format_minutes
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.rating import Tariff

pytestmark = pytest.mark.asyncio(loop_scope="session")

REGION = "Beijing"
NUMBER = "+861052680000"
WRITTEN_NUMBER = "01052680000"
CALLER_HZ, CALLEE_HZ = 440, 1_000
SPOKEN_S = 1.5
TOLERANCE_HZ = 10.0
TARIFF = Tariff(unit_s=1)
REQUEST_TIMEOUT_S = 30.0
SOLD_S = 3_600
PRICE_MICROS = 50_000_000
MEMBERS = """number,name,department
8613810268654,Han Meimei,Sales
not a number,Nobody,Sales
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A platform that nobody has touched: no applications, no trunks, no people."""
    async with open_stage(tmp_path_factory.mktemp("platform"), is_set_up=False) as opened:
        yield opened


class Story:
    """Who takes part, and what each chapter leaves for the next."""

    # The stage closes it.
    program: Program

    def __init__(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        self.stage, platform = stage, stage.platform
        self.customer = Customer(platform, http, "li.lei")
        self.operator = Staff(platform, http, "olga")
        self.manager = Staff(platform, http, "mina")
        self.reviewer = Staff(platform, http, "rita")
        self.support = Staff(platform, http, "sue")

    # The operator

    async def operator_opens_for_business(self) -> None:
        """People, a trunk, and numbers to sell."""
        await self.operator.join("operator")
        await self.manager.join("account-manager", regions=(REGION,))
        await self.reviewer.join("reviewer")
        await self.support.join("support")
        host, port = self.stage.switch.address
        trunk = {"name": "main", "host": host, "port": port}
        await self.operator.ask("POST", "/trunks", trunk, status=201)
        for number in (WRITTEN_NUMBER, "01052680001"):
            body = {"number": number, "city": REGION, "region": REGION}
            await self.operator.ask("POST", "/numbers", body, status=201)

    # Becoming a customer

    async def customer_registers(self) -> None:
        """And activates by the link of the mail."""
        await self.customer.register(REGION)
        mail = await self.operator.read_mail_to(self.customer.email, "Activate your account")
        await self.customer.activate_by(mail)
        assert await self.customer.state() == "prospect"
        # What the platform sells is not there yet for somebody who is none of its customers.
        body = {"name": "Too early"}
        assert (await self.customer.try_to("POST", "/applications", body))[0] == 409

    async def customer_subscribes(self) -> None:
        """Intention, data, documents; the manager of the region takes it up."""
        intention = await self.customer.tell_intention(REGION)
        path = f"/intentions/{intention['intention_id']}"
        manager_id = (await self.manager.ask("GET", "/me"))["user"]["user_id"]
        assert (intention["state"], intention["account_manager"]) == ("assigned", manager_id)
        assert (await self.manager.ask("POST", f"{path}/engage"))["state"] == "engaged"
        status, problem = await self.customer.try_to("POST", f"{self.customer.own}/review")
        assert (status, problem["code"]) == (409, "conflict")
        await self.customer.bring_papers()

    async def customer_is_reviewed(self) -> None:
        """Rejected with a reason, which comes by mail, and approved when it was resubmitted."""
        await self.customer.submit_for_review()
        reason = "The certificate is hard to read"
        rejected = await self.reviewer.decide(
            "qualification", self.customer.enterprise_id, approved=False, reason=reason
        )
        mail = await self.operator.read_mail_to(
            self.customer.email, "Your qualification was reviewed"
        )
        assert reason in mail
        review = await self.customer.ask("GET", f"{self.customer.own}/review")
        assert review["work_order"]["reason"] == reason
        assert await self.customer.state() == "prospect"
        await self.customer.bring(DocumentKind.CERTIFICATE, png())
        await self.customer.submit_for_review()
        approved = await self.reviewer.decide("qualification", self.customer.enterprise_id)
        assert approved["previous_id"] == rejected["work_order_id"]
        assert await self.customer.state() == "approved"

    async def customer_gets_numbers(self) -> None:
        """One is found, ordered online, reviewed."""
        free = await self.customer.ask("GET", "/free-numbers", query={"city": REGION})
        assert NUMBER in [each["number"] for each in free["numbers"]]
        await self.customer.order_numbers(WRITTEN_NUMBER)
        await self.reviewer.decide("number-order", self.customer.enterprise_id)
        owned = await self.customer.ask("GET", f"{self.customer.own}/numbers")
        assert [each["number"] for each in owned["numbers"]] == [NUMBER]

    async def manager_activates(self) -> None:
        """Line by line of the list; its work order is archived, and the enterprise active."""
        steps = f"{self.customer.own}/activation/steps"
        await self.manager.ask("POST", f"{steps}/customer-record")
        await self.manager.ask("POST", f"{steps}/basic-product")
        await self.manager.ask("POST", f"{steps}/service-code", {"service_code": "95001"})
        await self.customer.ask("POST", f"{steps}/capability-product")
        await self.customer.ask("POST", f"{steps}/numbers")
        order = await self.manager.decide("activation", self.customer.enterprise_id)
        history = await self.customer.ask("GET", f"/work-orders/{order['work_order_id']}")
        steps_told = [(step["action"], step["by"]) for step in history["steps"]]
        assert [action for action, _ in steps_told] == ["open", "approve", "archive"]
        record = await self.customer.ask("GET", self.customer.own)
        assert (record["enterprise"]["state"], record["service_codes"]) == ("active", ["95001"])
        assert record["customer_number"]

    # Getting ready

    async def customer_gets_members(self) -> None:
        """One by hand, others from a file with a wrong row; nobody else may call."""
        own = self.customer.own
        member = {"number": CALLER, "name": "Li Lei", "department": "Dispatch"}
        await self.customer.ask("POST", f"{own}/members", member, status=201)
        path = f"{own}/member-imports/{await self.customer.import_members(MEMBERS)}"
        found = await self.customer.wait_until(path, lambda job: job["state"] == "done")
        assert (found["added"], found["refused"]) == (1, 1)
        [problem] = (await self.customer.ask("GET", f"{path}/problems"))["problems"]
        assert problem["row"] == 3
        listed = (await self.customer.ask("GET", f"{own}/members"))["members"]
        assert {each["department"] for each in listed} == {"Dispatch", "Sales"}
        await self.customer.ask("PATCH", f"{own}/protection", {"members_only": True})

    async def manager_sells_minutes(self) -> None:
        """A pool that counts seconds, and a package in it."""
        own = self.customer.own
        await self.manager.ask("PUT", f"{own}/pool", {"tariff": {"unit_s": TARIFF.unit_s}})
        package = {
            "kind": "one-off",
            "name": "Starter",
            "seconds": SOLD_S,
            "price_micros": PRICE_MICROS,
        }
        await self.manager.ask("POST", f"{own}/packages", package, status=201)
        assert (await self.pool())["available_s"] == SOLD_S

    async def customer_gets_a_key(self) -> None:
        """It is shown once. The server of the application is in the operator's own network."""
        body = {"name": "Courier", "capabilities": ["click-to-dial", "recording", "messages"]}
        created = await self.customer.ask("POST", "/applications", body, status=201)
        path = f"/applications/{created['app_id']}"
        assert created["secret"] not in str(await self.customer.ask("GET", path))
        await self.operator.ask("PATCH", path, {"allow_private_addresses": True})
        await self.customer.ask("PATCH", path, {"notify_url": self.stage.sink.url})
        number = {"number": WRITTEN_NUMBER}
        shown = await self.customer.ask("POST", f"{path}/numbers", number)
        assert shown["numbers"] == [NUMBER]
        self.stage.application = self.program = Program(
            self.stage.platform, self.stage.sink, created
        )

    async def customer_gets_a_message_template(self) -> None:
        """Reviewed before it is used."""
        path = await self.customer_submits_a_template(
            "{enterprise} called for {duration} by {sponsor}"
        )
        await self.reviewer.decide("template-review", self.customer.enterprise_id)
        listed = await self.customer.ask("GET", path)
        assert [each["state"] for each in listed["templates"]] == ["approved"]

    async def customer_submits_a_template(self, text: str) -> str:
        """For the callee; returns where the application's templates are."""
        path = f"/applications/{self.program.app_id}/templates"
        body = {"text": text, "recipient": "callee"}
        template = await self.customer.ask("POST", path, body, status=201)
        await self.customer.ask("POST", f"{path}/{template['template_id']}/review")
        return path

    # The call

    async def stranger_is_no_caller(self) -> None:
        """Only members are."""
        refused = await self.program.try_begin(
            sponsor=WRITTEN_NUMBER, caller="8613912345679", callee=CALLEE
        )
        assert (refused.status, refused.body["code"]) == (403, "0001007")

    async def customer_calls(self) -> tuple[PlacedCall, dict[str, Any]]:
        """Two phones ring, speak and are recorded; all that comes of it agrees to the second."""
        caller, callee = await self.stage.phone(CALLER), await self.stage.phone(CALLEE)
        call = await self.stage.begin(record=1, sendDirection="MT")
        await call.wait_for("Connected")
        await callee.wait_for(PhoneState.TALKING)
        await asyncio.gather(caller.speak(CALLER_HZ, SPOKEN_S), callee.speak(CALLEE_HZ, SPOKEN_S))
        callee.hang_up()
        end = await call.wait_for_end()
        assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
        assert int(SPOKEN_S) <= end["callDuration"] <= round(call.took_s)
        await self.recording_has_what_was_said(call, end)
        await self.message_follows(call, end["callDuration"])
        await self.books_agree([(call, end)])
        return call, end

    async def recording_has_what_was_said(self, call: PlacedCall, end: dict[str, Any]) -> None:
        """The caller's tone left, the callee's right."""
        assert end["recordingResult"] == "Success"
        samples, rate = await hear(call, end["recordingId"])
        assert abs(len(samples) / rate - SPOKEN_S) < 0.5
        for channel, frequency_hz in enumerate((CALLER_HZ, CALLEE_HZ)):
            heard_hz = dominant_frequency_hz(samples[:, channel], rate)
            assert abs(heard_hz - frequency_hz) < TOLERANCE_HZ

    async def message_follows(self, call: PlacedCall, duration_s: int) -> None:
        """To the callee, with what the template says; it is in the embedded mailbox."""
        said = f"{COMPANY} called for {format_minutes(duration_s)} by {NUMBER}"
        found = await self.customer.wait_until(
            "/messages",
            lambda page: [each["state"] for each in page["messages"]] == ["delivered"],
            query={"call_id": call.call_id},
        )
        [message] = found["messages"]
        assert (message["to"], message["text"]) == ("callee", said)
        arrived = {
            each["message_id"]: (each["sender"], each["text"])
            for each in (await self.operator.ask("GET", "/mailbox"))["messages"]
        }
        assert arrived[message["message_id"]] == (NUMBER, said)

    async def books_agree(self, calls: list[tuple[PlacedCall, dict[str, Any]]]) -> None:
        """CDRs, the pool, the bill and the ledger tell of these calls and no others."""
        own = self.customer.own
        expected = [
            (call.call_id, end["callDuration"], TARIFF.rate(end["callDuration"]))
            for call, end in calls
        ]
        lasted_s = sum(duration_s for _, duration_s, _ in expected)
        taken_s = sum(billed_s for _, _, billed_s in expected)
        cdrs = (await self.customer.ask("GET", f"{own}/cdrs"))["cdrs"]
        told = [(cdr["call_id"], cdr["duration_s"], cdr["billed_s"]) for cdr in cdrs]
        assert told == expected
        assert {(cdr["member"], cdr["department"]) for cdr in cdrs} == {(f"+{CALLER}", "Dispatch")}
        table = (await self.customer.ask("GET", f"{own}/cdrs.csv")).decode()
        rows = list(csv.DictReader(io.StringIO(table)))
        assert [(row["call_id"], int(row["billed_s"])) for row in rows] == [
            (call_id, billed_s) for call_id, _, billed_s in told
        ]
        pool = await self.pool()
        assert (pool["consumed_s"], pool["reserved_s"]) == (taken_s, 0)
        assert pool["available_s"] == SOLD_S - taken_s
        [lot] = pool["lots"]
        drawn = [(each["lot_id"], each["seconds"]) for cdr in cdrs for each in cdr["lots"]]
        assert drawn == [(lot["lot_id"], billed_s) for _, _, billed_s in expected]
        await self.bill_agrees({cdr["ended_at"][:7] for cdr in cdrs}, lasted_s, taken_s)
        verified = await self.stage.platform.command("ledger", "verify")
        assert (verified["calls"], verified["open_calls"]) == (len(calls), 0)

    async def bill_agrees(self, months: set[str], lasted_s: int, taken_s: int) -> None:
        """As data, to read and to print. A night between two months makes two bills."""
        owed, bills = 0, []
        for month in sorted(months):
            path = f"{self.customer.own}/statements/{month}"
            bill = await self.customer.ask("GET", path)
            bills.append(bill)
            owed += bill["owed_micros"]
            used = format_minutes(bill["total"]["billed_s"])
            page = (await self.customer.ask("GET", f"{path}/html")).decode()
            pdf = PdfReader(io.BytesIO(await self.customer.ask("GET", f"{path}/pdf")))
            for text in (page, pdf.pages[0].extract_text()):
                assert COMPANY in text and used in text
        totals = [bill["total"] for bill in bills]
        assert sum(total["billed_s"] for total in totals) == taken_s
        assert sum(total["duration_s"] for total in totals) == lasted_s
        assert owed == PRICE_MICROS

    async def support_answers_a_question(self, call: PlacedCall) -> None:
        """About that call, of which the ticket tells whoever helps."""
        question = {
            "subject": "Who hung up?",
            "text": "The courier says it was not he.",
            "category": "business-inquiry",
            "call_id": call.call_id,
        }
        ticket = (await self.customer.ask("POST", "/tickets", question, status=201))["ticket"]
        path = f"/tickets/{ticket['ticket_id']}"
        shown = await self.support.ask("GET", path)
        explanation = shown["call"]["explanation"]
        assert "callee hung up" in explanation
        await self.support.ask("POST", f"{path}/resolution", {"text": explanation})
        await self.customer.ask("POST", f"{path}/close")

    # The end

    async def customer_is_suspended_and_resumed(self) -> None:
        """Refused from the very next request on, and served from the very next request on."""
        await self.change("suspension", "unpaid")
        refused = await self.try_begin()
        assert (refused.status, refused.body["code"]) == (403, "0001003")
        assert await self.customer.state() == "suspended"
        body = {"kind": "resumption", "reason": "We have paid"}
        await self.customer.ask("POST", f"{self.customer.own}/status-changes", body, status=201)
        await self.manager.decide("resumption", self.customer.enterprise_id)
        assert await self.customer.state() == "active"

    async def change(self, kind: str, reason: str, **more: str) -> None:
        """The manager asks for it and approves it in the same go."""
        body = {"kind": kind, "reason": reason, "decides": True, **more}
        path = f"{self.customer.own}/status-changes"
        assert (await self.manager.ask("POST", path, body, status=201))["state"] == "done"

    async def customer_calls_again(self) -> PlacedCall:
        """By hand this time, over the management API; the call goes on for a while."""
        await self.stage.phone(CALLER)
        callee = await self.stage.phone(CALLEE)
        body = {
            "app_id": self.program.app_id,
            "sponsor": WRITTEN_NUMBER,
            "caller": CALLER,
            "callee": CALLEE,
            "send_direction": "MT",
        }
        began_at = time.monotonic()
        begun = await self.customer.ask("POST", "/calls", body, status=201)
        call = PlacedCall(self.program, begun["call_id"], began_at)
        await call.wait_for("Connected")
        await callee.wait_for(PhoneState.TALKING)
        return call

    async def application_is_disabled_and_enabled(self) -> None:
        """Its requests are refused meanwhile, and its calls go on."""
        path = f"/applications/{self.program.app_id}"
        await self.customer.ask("POST", f"{path}/disable", status=204)
        refused = await self.try_begin()
        assert (refused.status, refused.body["code"]) == (403, "0001004")
        await self.customer.ask("POST", f"{path}/enable", status=204)

    async def customer_cancels(self, call: PlacedCall) -> dict[str, Any]:
        """And the call that runs ends with it, and so does what nobody has reviewed yet."""
        await self.customer_submits_a_template("{enterprise} says goodbye")
        assert call.statuses == ANSWERED[:-1]
        path = f"{self.customer.own}/status-changes"
        body = {"kind": "cancellation", "reason": "We have bicycles now", "calls": "at-once"}
        await self.customer.ask("POST", path, body, status=201)
        await self.manager.decide("cancellation", self.customer.enterprise_id)
        refused = await self.try_begin()
        assert (refused.status, refused.body["code"]) == (403, "0001003")
        end = await call.wait_for_end()
        assert (call.statuses, end["reason"]) == (ANSWERED, "Other")
        await self.message_follows(call, end["callDuration"])
        return end

    async def what_the_customer_had_is_given_back(self) -> None:
        """The number rests, the products and the code are over; the papers of it stay."""
        number = await self.operator.ask("GET", f"/numbers/{WRITTEN_NUMBER}")
        assert (number["state"], number["applications"]) == ("cooling-off", [])
        assert number["until"]
        assert NUMBER not in str(await self.manager.ask("GET", "/free-numbers"))
        record = await self.manager.ask("GET", self.customer.own)
        assert record["enterprise"]["state"] == "cancelled"
        assert (record["products"], record["service_codes"]) == ([], [])
        sold = await self.manager.ask("GET", f"{self.customer.own}/packages")
        assert all(package["ended_at"] for package in sold["packages"])
        orders = (await self.manager.ask("GET", "/work-orders", query=self.of_customer))[
            "work_orders"
        ]
        assert {order["state"] for order in orders} == {"archived"}
        assert [(order["kind"], order["outcome"]) for order in orders] == [
            ("qualification", "rejected"),
            ("qualification", "approved"),
            ("activation", "approved"),
            ("number-order", "approved"),
            ("template-review", "approved"),
            ("suspension", "approved"),
            ("resumption", "approved"),
            ("template-review", "rejected"),
            ("cancellation", "approved"),
        ]

    @property
    def of_customer(self) -> dict[str, str]:
        """What narrows lists down to this customer."""
        return {"enterprise_id": self.customer.enterprise_id}

    async def nobody_changes_anything_more(self) -> None:
        """The people may still log in, read what was and ask for help, and nothing else."""
        await self.customer.log_in()
        assert await self.customer.state() == "cancelled"
        app, own = f"/applications/{self.program.app_id}", self.customer.own
        for method, path, body in (
            ("POST", "/applications", {"name": "Another"}),
            ("POST", f"{app}/keys", None),
            ("POST", f"{app}/enable", None),
            ("PATCH", app, {"name": "Another"}),
            ("POST", f"{app}/templates", {"text": "Hello"}),
            ("POST", "/number-orders", {"numbers": [WRITTEN_NUMBER]}),
            ("POST", f"{own}/members", {"number": "8613910000000"}),
            ("PATCH", f"{own}/data", {"legal_name": "Another"}),
            ("PATCH", f"{own}/protection", {"members_only": False}),
            ("POST", "/team/invitations", {"email": "x@example.com", "roles": ["owner"]}),
            ("POST", f"{own}/status-changes", {"kind": "resumption", "reason": "We miss it"}),
        ):
            status, problem = await self.customer.try_to(method, path, body)
            assert (status, problem["code"]) == (403, "enterprise-inactive"), path

    async def try_begin(self) -> Answer:
        """The begin that went well before, whatever it is answered now."""
        return await self.program.try_begin(sponsor=WRITTEN_NUMBER, caller=CALLER, callee=CALLEE)

    async def pool(self) -> dict[str, Any]:
        """The minutes as the customer sees them."""
        return dict(await self.customer.ask("GET", f"{self.customer.own}/pool"))


@pytest_asyncio.fixture(loop_scope="session")
async def story(stage: Stage) -> AsyncIterator[Story]:
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    ) as http:
        yield Story(stage, http)


async def test_customer_lives_with_the_service_from_registration_to_cancellation(
    story: Story,
) -> None:
    await story.operator_opens_for_business()
    await story.customer_registers()
    await story.customer_subscribes()
    await story.customer_is_reviewed()
    await story.customer_gets_numbers()
    await story.manager_activates()
    await story.customer_gets_members()
    await story.manager_sells_minutes()
    await story.customer_gets_a_key()
    await story.customer_gets_a_message_template()
    await story.stranger_is_no_caller()
    first, first_end = await story.customer_calls()
    await story.support_answers_a_question(first)
    await story.customer_is_suspended_and_resumed()
    second = await story.customer_calls_again()
    await story.application_is_disabled_and_enabled()
    second_end = await story.customer_cancels(second)
    await story.what_the_customer_had_is_given_back()
    await story.books_agree([(first, first_end), (second, second_end)])
    await story.nobody_changes_anything_more()
