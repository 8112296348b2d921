"""The heart of the console: a customer makes a call on the page, hears it, and sees its charge."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from playwright.async_api import expect
from tests.api.support import SECRET
from tests.harness.address import allocate_host
from tests.media.webrtc.offer import OFFER
from tests.portal.browser import TIMEOUT_MS, Browsing
from tests.portal.client import Client
from tests.portal.world import ACME, World
from tests.sandbox.bench import FAST

from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.control.port import WEB_PHONE_ROUTE
from clicktodial.domain.application import Capability
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Role
from clicktodial.domain.rating import Tariff
from clicktodial.domain.trunk import Trunk
from clicktodial.media.webrtc.sdp import OFFER_CHARACTERS_MAX
from clicktodial.portal.call.trial import SANDBOX_PHONES
from clicktodial.portal.form import Form
from clicktodial.portal.renderer import Renderer
from clicktodial.portal.text import load_words
from clicktodial.sandbox.behaviour import create_numbering_plan
from clicktodial.sandbox.carrier import Carrier
from clicktodial.sandbox.melody import melody_notes_hz
from clicktodial.sandbox.report import Report, ReportKind
from clicktodial.storage.administration import NewApplication

CAROL = "carol"
SPONSOR, SILENT_SPONSOR = "+861052689999", "+861052689998"
# Nobody else's: the trunk to the carrier takes these alone.
CALLER, CALLEE, BUSY = "+8613700000053", "+8613700000153", "+8613700000101"
PREFIX = "+861370000"
# Of what is heard, as a share of full scale: silence is none.
HEARD_RMS_MIN = 0.01
# The page keeps its connection to itself.
_KEEP_PEER = """() => {
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) { super(...given); window.peer = this; }
  };
}"""
KEEP_PEER = f"({_KEEP_PEER})()"
# Of the microphone that Chromium makes up. Its beeps are short, and what is heard of one shorter.
BEEP_HZ, BEEP_SLACK_HZ = 400, 12
# How many of these notes are heard, as soon as three are, or when several melodies have passed.
HEAR_NOTES = """async (notes) => {
  const context = new AudioContext();
  const heard = new MediaStream([window.peer.getReceivers()[0].track]);
  const ear = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(heard).connect(ear);
  const [levels, found] = [new Float32Array(ear.frequencyBinCount), new Set()];
  for (const begun = performance.now(); performance.now() - begun < 20000 && found.size < 3;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    ear.getFloatFrequencyData(levels);
    const loudest = levels.reduce((best, level, at) => (level > levels[best] ? at : best), 0);
    const pitch = (loudest * context.sampleRate) / ear.fftSize;
    const note = notes.find((each) => Math.abs(each - pitch) < 8);
    if (note && levels[loudest] > -60) found.add(note);
  }
  await context.close();
  return found.size;
}"""
TALKED = re.compile(r"^0:0[1-9]$|^0:[1-9]")
TWICE_READ = re.compile(r"^0:0[3-9]$|^0:[1-9]")


@pytest.fixture(scope="module")
def tokens() -> dict[Role, str]:
    """Of carol's people, when they are there."""
    return {}


@pytest.fixture(scope="module")
def heard() -> asyncio.Queue[Report]:
    """What carol's phones heard in their calls, as these end."""
    return asyncio.Queue()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def carol(
    browsing: Browsing,
    world: World,
    origin: str,
    tokens: dict[Role, str],
    heard: asyncio.Queue[Report],
) -> AsyncIterator[Browsing]:
    """Tabs of a customer who has minutes and a trunk to phones that answer."""

    def report(told: Report) -> None:
        if told.kind is ReportKind.HEARD:
            heard.put_nowait(told)

    carrier = Carrier(report=report, plan=create_numbering_plan(FAST))
    await carrier.start(allocate_host(), 0)
    host, port = carrier.address
    await asyncio.to_thread(_set_up, world, tokens, host, port)
    yield Browsing(browsing.browser, origin, tokens)
    await carrier.close()


def _set_up(world: World, tokens: dict[Role, str], host: str, port: int) -> None:
    world.administration.create_enterprise(CAROL, name="Carol Clinics")
    new = NewApplication(
        app_id="33333333", secret=SECRET, name="Clinic desk", enterprise_id=CAROL,
        sponsors=(SPONSOR,),
    )  # fmt: skip
    world.administration.create_application(new)
    without = NewApplication(
        app_id="44444444", secret=SECRET, name="No recording", enterprise_id=CAROL,
        sponsors=(SILENT_SPONSOR,), capabilities=frozenset({Capability.CLICK_TO_DIAL}),
    )  # fmt: skip
    world.administration.create_application(without)
    world.administration.add_trunk(Trunk("carol-phones", host, port, prefixes=(PREFIX,)))
    pools, rated = Pools(world.transactions), Tariff(unit_s=60)
    pools.set_up(OPERATOR_PRINCIPAL, CAROL, PoolSettings(rated), world.now)
    package = NewPackage(
        kind=PackageKind.ONE_OFF, name="Start", seconds=6_000,
        valid_from=world.now - timedelta(days=1),
    )  # fmt: skip
    pools.add_package(OPERATOR_PRINCIPAL, CAROL, package, world.now)
    world.add_person("owner.carol", Role.OWNER, CAROL)
    tokens[Role.OWNER] = world.log_in("owner.carol")


@pytest.mark.timeout(120)
@pytest.mark.asyncio(loop_scope="session")
async def test_call_is_tried_heard_and_charged(carol: Browsing, tmp_path: Path) -> None:
    async with carol.tab(Role.OWNER) as tab:
        page = await tab.open("/try")
        page.set_default_timeout(TIMEOUT_MS)
        stage = page.locator("#stage")
        await page.fill("#caller", CALLER)
        await page.fill("#callee", CALLEE)
        await page.check("[name=record]")
        await page.locator(".trial-options summary").click()
        await page.fill("#max_duration_s", "90")
        await page.select_option("#ringback", "tone")
        await page.get_by_role("button", name="Check first").click()
        await expect(stage).to_contain_text("This call may be placed", timeout=TIMEOUT_MS)
        await expect(stage).to_contain_text("1:30")
        # What was chosen is still there, for the call.
        await expect(page.locator("#max_duration_s")).to_have_value("90")
        await expect(stage).to_contain_text("by the trunk carol-phones")

        await page.get_by_role("button", name="Call now").click()
        await expect(stage.locator("[data-since]")).to_have_text(TALKED, timeout=TIMEOUT_MS)
        await page.get_by_role("button", name="Mute the caller").click()
        await expect(stage.locator(".trial-leg", has_text="Caller")).to_contain_text("muted")
        await expect(stage.locator("[data-since]")).to_have_text(TWICE_READ, timeout=TIMEOUT_MS)
        address = await stage.get_attribute("data-follows")
        assert address is not None
        call_path = f"/calls/{address.rsplit('/', 1)[1]}"
        async with carol.tab(Role.OWNER) as beside:
            live = (await beside.open(call_path)).locator("#sound[hx-trigger] .call-quality")
            await expect(live).to_have_count(2, timeout=TIMEOUT_MS)
        await page.get_by_role("button", name="Release").click()
        await expect(stage).to_contain_text("The application released the call after")
        await expect(stage.locator("path.waveform-callee")).to_be_visible(timeout=TIMEOUT_MS)
        await tab.check()

        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="Download").click()
        file = tmp_path / "recording.wav"
        await (await downloading.value).save_as(file)
        frames, _ = await asyncio.to_thread(soundfile.read, file)
        loud = np.sqrt(np.mean(frames**2, axis=0))
        assert len(loud) == 2 and min(loud) > HEARD_RMS_MIN, loud

        await page.get_by_role("link", name="All about this call").click()
        charged = page.locator(".tile", has_text="Minutes taken of the pool")
        await expect(charged.locator(".tile-value")).to_have_text("1", timeout=TIMEOUT_MS)
        sound = page.locator("#sound:not([hx-trigger]) .call-quality")
        await expect(sound).to_have_count(2, timeout=TIMEOUT_MS)
        await sound.first.get_by_text("Show as a table").click()
        row = sound.first.get_by_role("row", name=re.compile("0:00.0:01"))
        await expect(row).to_contain_text("0.0%")
        await tab.check("nothing")


@pytest.mark.timeout(120)
@pytest.mark.asyncio(loop_scope="session")
async def test_browser_is_the_caller_and_both_are_heard(
    carol: Browsing, heard: asyncio.Queue[Report]
) -> None:
    async with carol.tab(Role.OWNER) as tab:
        await tab.page.add_init_script(KEEP_PEER)
        page = await tab.open("/try")
        stage = page.locator("#stage")
        await page.fill("#caller", CALLER)
        await page.fill("#callee", CALLEE)
        await page.check("[name=record]")
        await page.check("[name=in_browser]")
        await page.get_by_role("button", name="Check first").click()
        await expect(stage).to_contain_text("in this browser")
        await page.get_by_role("button", name="Call now").click()
        await expect(page.locator("[data-web-state=connected]")).to_be_visible()
        await expect(stage).to_contain_text("a browser")
        await expect(stage.locator("[data-since]")).to_have_text(TALKED)
        # Whoever hears three notes of the callee's melody hears nobody else's.
        notes = [round(note) for note in dict.fromkeys(melody_notes_hz(CALLEE))]
        assert await page.evaluate(HEAR_NOTES, notes) >= min(3, len(notes))
        await page.get_by_role("button", name="#", exact=True).click()
        await page.get_by_role("button", name="Release").click()
        await expect(page.locator("[data-web-state=over]")).to_be_visible()
        await expect(stage.locator("path.waveform-caller")).to_be_visible()
        await tab.check()
    async with asyncio.timeout(TIMEOUT_MS / 1000):
        # Of other calls no phone is pressed a key to.
        while (details := (await heard.get()).details)["keys"] != "#":
            pass
    (source,) = cast("tuple[dict[str, Any]]", details["sources"])
    assert any(abs(tone - BEEP_HZ) <= BEEP_SLACK_HZ for tone in source["tones_hz"]), details


@pytest.mark.timeout(120)
@pytest.mark.asyncio(loop_scope="session")
async def test_call_that_failed_is_explained_with_its_messages(carol: Browsing) -> None:
    async with carol.tab(Role.OWNER) as tab:
        page = await tab.open("/try")
        stage = page.locator("#stage")
        await page.fill("#caller", CALLER)
        await page.fill("#callee", BUSY)
        await page.get_by_role("button", name="Call now").click()
        await expect(stage).to_contain_text(
            "The callee's network answered 486: busy.", timeout=TIMEOUT_MS
        )
        ladder = stage.locator(".ladder-callee .ladder-label")
        await expect(ladder.filter(has_text="486 Busy Here")).to_be_visible(timeout=TIMEOUT_MS)
        assert BUSY[3:] not in await stage.inner_text()
        await tab.check("nothing")


def test_what_is_wrong_is_said_at_its_field(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    fields = {"application": world.ids[ACME]["app_id"], "caller": "what", "callee": ""}
    for path in ("/try/forecast", "/try/call"):
        answer = client.post(path, fields, HX_Request="true", HX_Target="trial")
        assert answer.status == 422
        assert "This is no telephone number." in answer.text
        assert "This is needed." in answer.text
    same = fields | {"caller": "13912345673", "callee": "+8613912345673"}
    assert "This is the caller&#39;s number, too." in client.post("/try/call", same).text
    foreign = same | {"callee": "13810268653", "sponsor": "+861000000000"}
    assert "Choose one of these." in client.post("/try/call", foreign).text
    for options, words in (
        ({"caller_ring_timeout_s": "0"}, "Enter a whole number from 1 to"),
        ({"max_duration_s": "99999999"}, "Enter a whole number from 1 to"),
        ({"presence": "prayer"}, "Choose one of these."),
        ({"announcement": "gone"}, "There is no such audio any more."),
    ):
        answer = client.post("/try/forecast", same | {"callee": "13810268653"} | options)
        assert answer.status == 422
        assert words in answer.text
        assert '<details class="trial-options" open>' in answer.text


@pytest.mark.asyncio(loop_scope="session")
async def test_obstacles_of_a_call_are_told(
    carol: Browsing, tokens: dict[Role, str], origin: str
) -> None:
    fields = {
        "application": "44444444", "caller": CALLER, "callee": CALLEE, "sponsor": SILENT_SPONSOR,
        "record": "yes",
    }  # fmt: skip
    client = Client(origin, tokens[Role.OWNER])
    answer = await asyncio.to_thread(client.post, "/try/forecast", fields)
    assert answer.status == 200
    assert "This call would be refused" in answer.text
    assert "The application has not the capability recording" in answer.text


@pytest.mark.asyncio(loop_scope="session")
async def test_without_a_microphone_nobody_is_called(carol: Browsing) -> None:
    async with carol.tab(Role.OWNER) as tab:
        await tab.page.add_init_script(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('refused'))"
        )
        page = await tab.open("/try")
        await page.fill("#caller", CALLER)
        await page.fill("#callee", CALLEE)
        await page.check("[name=in_browser]")
        await page.get_by_role("button", name="Call now").click()
        await expect(page.locator("[data-web-state=refused]")).to_contain_text("No call was made")
        await expect(page.locator("#stage")).to_contain_text("Ready when you are")
        await tab.check("nothing")


@pytest.mark.asyncio(loop_scope="session")
async def test_browser_is_let_in_once_and_only_with_an_offer(
    carol: Browsing, tokens: dict[Role, str], origin: str
) -> None:
    client = Client(origin, tokens[Role.OWNER])
    fields = {
        "application": "33333333", "caller": CALLER, "callee": CALLEE, "sponsor": SPONSOR,
        "in_browser": "yes", "offer": OFFER,
    }  # fmt: skip

    async def refuse(words: str, **changes: str) -> None:
        answer = await asyncio.to_thread(client.post, "/try/call", {**fields, **changes})
        assert answer.status == 422 and words in answer.text, answer.text
        assert "data-web-answer" not in answer.text

    await refuse("This browser cannot be one of the two.", offer="")
    await refuse("cannot be used for a call.", offer=OFFER.replace("actpass", "passive"))
    await refuse("One field needs another look.", offer=OFFER + "x" * OFFER_CHARACTERS_MAX)
    # Whoever is let in and may not call is let go again.
    await refuse("not the capability", application="44444444", sponsor=SILENT_SPONSOR, record="yes")
    for _ in range(2):
        answer = await asyncio.to_thread(client.post, "/try/call", fields)
        assert answer.status == 200 and "a=ice-lite" in answer.text
        await refuse("You are in a call with a browser already.")
        release = re.search(r"/calls/[0-9a-f]{32}/release", answer.text)
        assert release is not None
        assert (await asyncio.to_thread(client.post, release[0])).status < 400


def test_application_of_another_is_not_there(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    fields = {"application": "22222222", "caller": "13912345673", "callee": "13810268653"}
    assert client.post("/try/call", fields).status == 404
    assert client.get("/try?application=22222222").status == 404


def test_phones_of_the_sandbox_do_what_the_page_says() -> None:
    plan = create_numbering_plan()
    names = {digits: plan.behaviour_of(digits).name for digits in SANDBOX_PHONES}
    assert names == {
        "53": "answers", "06": "hangs-up", "09": "late", "01": "busy", "03": "declines",
        "02": "rings-on", "04": "unknown", "08": "voicemail",
    }  # fmt: skip


@pytest.mark.parametrize("is_set_up", [True, False])
def test_page_says_whether_a_browser_can_be_the_caller(*, is_set_up: bool) -> None:
    words = load_words()["en"]
    context: dict[str, Any] = {
        "form": Form(words), "application": None, "application_options": [],
        "sponsor_options": [], "phones": [], "forecast": None, "obstacles": [], "currency": None,
        "call": None, "has_web_phones": is_set_up, "web_stun": "stun.example:3478",
        "web_route": WEB_PHONE_ROUTE, "web_answer": None, "form_token": "token",
        "has_options": False,
        "link": lambda name: f"/{name}", "static": str, "_": words.gettext,
        "gettext": words.gettext, "ngettext": words.ngettext,
    }  # fmt: skip
    page = Renderer().render("call/try.html", context, part="trial").decode()
    assert ("the server is not set up for it (media.webrtc)" in page) is not is_set_up
    assert ('data-stun="stun.example:3478"' in page) is is_set_up
    assert ("in_browser" in page) is is_set_up
