"""What the forms of the business do, without a browser."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from playwright.async_api import expect
from tests.accounts.paper import pdf
from tests.portal.browser import Browsing
from tests.portal.client import Answer, Client
from tests.portal.seed.business import find_principal, open_business, papers
from tests.portal.world import World

from clicktodial.accounts.audit import AuditLog
from clicktodial.accounts.document_content import DOCUMENT_BYTES_MAX
from clicktodial.accounts.enterprise_change import ChangeState
from clicktodial.domain.customer import DocumentKind
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.portal import session_cookie
from clicktodial.portal.page import BASE_PATH

ENTERPRISE = "dahlia"
PATH = f"/enterprises/{ENTERPRISE}"
Upload: TypeAlias = Callable[[bytes], Answer]


@pytest.fixture(scope="module")
def owner(origin: str, world: World) -> Client:
    """Of an enterprise of this file's own, in service."""
    world.administration.create_enterprise(ENTERPRISE, name="Dahlia Florists")
    world.add_person("owner.dahlia", Role.OWNER, ENTERPRISE)
    return Client(origin, world.log_in("owner.dahlia"))


@pytest.fixture
def upload(owner: Client) -> Upload:
    """Sends a file as a browser does."""

    def send(content: bytes) -> Answer:
        fields = {"form_token": owner.form_token, "kind": DocumentKind.OTHER.value}
        body = b"".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        )
        head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        body += head.encode() + content + b"\r\n--b--\r\n"
        kind = {"Content_Type": "multipart/form-data; boundary=b"}
        return owner.ask("POST", f"{BASE_PATH}{PATH}/documents", body, kind)

    return send


def _audited(world: World, operation: str) -> int:
    entries = AuditLog(world.transactions).list_entries(limit=1_000, enterprise_id=ENTERPRISE)
    return sum(entry.operation == operation for entry in entries)


def test_document_is_shown_to_the_reviewer_and_that_is_noted(
    world: World, origin: str, owner: Client, upload: Upload
) -> None:
    card = papers()[DocumentKind.HANDLER_ID_FRONT]
    assert upload(card).status == 303
    page = owner.get(f"{PATH}/papers")
    href = re.search(rf'src="{BASE_PATH}({PATH}/documents/[0-9a-f]+)/content"', page.text)
    assert href is not None
    reviewer = Client(origin, world.tokens[Role.REVIEWER])
    before = _audited(world, "readDocument")
    for path, disposition in ((href[1], "attachment"), (f"{href[1]}/content", "inline")):
        shown = reviewer.get(path)
        assert (shown.status, shown.body) == (200, card)
        assert shown.headers["content-type"] == "image/png"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert shown.headers["content-disposition"].startswith(disposition)
    assert _audited(world, "readDocument") == before + 2
    for path in (href[1], f"{href[1]}/content", f"{href[1]}/view"):
        assert Client(origin, world.tokens[Role.SUPPORT]).get(path).status == 403
        assert Client(origin, world.tokens[Role.OWNER]).get(path).status == 404


@pytest.mark.asyncio(loop_scope="session")
async def test_documents_are_looked_at_one_after_the_other(
    world: World, browsing: Browsing, origin: str, owner: Client, upload: Upload
) -> None:
    assert upload(pdf()).status == 303
    page = owner.get(f"{PATH}/papers").text
    views = re.findall(rf'href="{BASE_PATH}({PATH}/documents/[0-9a-f]+)/view"', page)
    assert len(views) == 2
    answer = owner.get(f"{views[1]}/content")
    assert answer.headers["content-type"] == "application/pdf"
    # Whatever a browser might take it for, it is in no origin of ours and does nothing.
    assert answer.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; frame-ancestors 'self'"
    )
    assert "frame-src 'self'" in owner.get(f"{views[1]}/view").headers["content-security-policy"]
    assert "frame-src" not in owner.get(f"{views[0]}/view").headers["content-security-policy"]
    async with browsing.tab(Role.REVIEWER) as tab:
        opened = await tab.open(f"{views[0]}/view")
        scale = opened.locator("[data-scale]")
        await expect(scale).to_have_text("100 %")
        await opened.keyboard.press("+")
        await expect(scale).to_have_text("150 %")
        await opened.get_by_role("button", name="Smaller").click()
        await expect(scale).to_have_text("100 %")
        # The browser's own viewer draws it, in a process and an origin of its own.
        async with opened.expect_event(
            "framenavigated", lambda frame: frame.url.startswith("chrome-extension://")
        ):
            await opened.keyboard.press("n")
        await expect(opened.get_by_role("link", name="Save")).to_be_visible()
        assert opened.url.endswith(f"{views[1]}/view")
        await tab.check("nothing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"MZ not a picture", "The file is no PDF, JPEG or PNG."),
        (b"%PDF-1.7\n/JavaScript", "The PDF is cut off"),
        (bytes(DOCUMENT_BYTES_MAX + 1), "larger than 8 MB"),
    ],
)
def test_file_that_is_no_document_is_refused_in_words(
    upload: Upload, content: bytes, words: str
) -> None:
    answer = upload(content)
    assert answer.status == 422
    assert words in answer.text


def test_cancellation_is_scheduled_and_withdrawn(world: World, owner: Client) -> None:
    form = {"kind": "cancellation", "calls": "at-once", "when": "later", "reason": "we close"}
    for at in ("", "soon", "2001-01-01T00:00", "9999-01-01T00:00"):
        refused = owner.post(f"{PATH}/status-changes", form | {"effective_at": at})
        assert refused.status == 422
        assert 'id="effective_at-error"' in refused.text
    day = (world.now + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M")
    asked = owner.post(f"{PATH}/status-changes", form | {"effective_at": day})
    assert asked.status == 303
    path = asked.headers["location"].removeprefix(BASE_PATH)
    business, principal = open_business(world), find_principal(world, "owner.dahlia")
    change = business.changes.list_changes(principal, ENTERPRISE)[0]
    assert change.effective_at is not None
    business.work_orders.decide(
        OPERATOR_PRINCIPAL, change.work_order_id, approved=True, reason="", now=world.now
    )
    assert "Approved: it holds from" in owner.get(path).text
    assert "A cancellation is scheduled." in owner.get("/centre").text
    # The same a second time is refused in words.
    again = owner.post(f"{PATH}/status-changes", form | {"effective_at": day})
    assert again.status == 422
    assert owner.post(f"{path}/withdraw", {"reason": "we stay"}).status == 303
    assert business.changes.list_changes(principal, ENTERPRISE)[0].state is ChangeState.WITHDRAWN
    state = business.enterprises.show(principal, ENTERPRISE).state
    assert state is EnterpriseState.ACTIVE


def test_modification_says_at_its_fields_what_is_wrong(owner: Client) -> None:
    form = {"kind": "modification", "reason": "a new handler"}
    wrong = {"handler_phone": "12", "handler_email": "nobody", "handler_id_number": "1"}
    answer = owner.post(f"{PATH}/status-changes", form | wrong)
    assert answer.status == 422
    for name in wrong:
        assert f'id="{name}-error"' in answer.text
    assert owner.post(f"{PATH}/status-changes", form).status == 422


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/status-changes", {"kind": "qualification", "reason": "x"}, 404),
        ("/status-changes", {"kind": "resumption", "reason": "x"}, 422),
        ("/activation/steps", {"step": "none"}, 422),
        ("/review", {}, 409),
        ("/data", {"legal_name": "x", "version": "0"}, 422),
    ],
)
def test_what_cannot_be_done_in_this_state_is_refused(
    owner: Client, path: str, fields: dict[str, str], status: int
) -> None:
    assert owner.post(PATH + path, fields).status == status


def test_step_that_is_not_its_turn_is_told_as_a_toast(owner: Client) -> None:
    answer = owner.post(f"{PATH}/activation/steps", {"step": "numbers"})
    assert answer.status == 303
    toast = answer.cookies[session_cookie.TOAST]
    owner.cookies[session_cookie.TOAST] = toast.partition("=")[2].partition(";")[0]
    page = owner.get("/centre")
    del owner.cookies[session_cookie.TOAST]
    assert "The enterprise is active." in page.text
