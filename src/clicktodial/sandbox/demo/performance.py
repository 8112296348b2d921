"""The demonstration from its first line to its last."""

import asyncio
import io
import secrets
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp
import soundfile
from rich.console import Console

from clicktodial.sandbox.demo.bustle import Bustle, is_of_others
from clicktodial.sandbox.demo.child import COMMAND_SHOWN
from clicktodial.sandbox.demo.client import ApiClient, Credential, format_curl
from clicktodial.sandbox.demo.error import DemoError, MissedError, PlatformError
from clicktodial.sandbox.demo.evidence import (
    Evidence,
    Recording,
    Scenario,
    check_evidence,
)
from clicktodial.sandbox.demo.history.fill import DISPATCH
from clicktodial.sandbox.demo.journal import Entry, Journal
from clicktodial.sandbox.demo.mailbox import read_mailbox
from clicktodial.sandbox.demo.output import Output, prepare_output
from clicktodial.sandbox.demo.people import create_people
from clicktodial.sandbox.demo.picture import draw_legs, draw_recording
from clicktodial.sandbox.demo.stage import ENTERPRISE, Stage, open_stage, read_pool
from clicktodial.sandbox.demo.timeline import Timeline

_APP_ID = "12345678"
# Both phones answer after a second each; ten times that is a fault.
_CONNECT_TIMEOUT_S = 20.0
# Long enough for two whole turns of a melody, short enough to watch.
_TALK_S = 6.0
# Promised within five seconds of hanging up.
_DISCONNECT_TIMEOUT_S = 10.0
_HEARD_TIMEOUT_S = 10.0

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130  # as a shell has it: 128 and SIGINT


class Performance:
    """One demonstration."""

    def __init__(self, console: Console, directory: Path, *, keep: bool) -> None:
        """`keep` leaves the server running, after the summary, until it is interrupted."""
        self._console = console
        self._directory = directory
        self._keep = keep
        self._scenario = Scenario()
        self._credential = Credential(_APP_ID, secrets.token_urlsafe(18))
        self._journal = Journal()
        self._timeline = Timeline(console, self._scenario)
        self._began_at = datetime.now(UTC)
        # What an interrupted demonstration ends with; known once the checks are done.
        self.status = EXIT_INTERRUPTED

    async def run(self) -> int:
        """Give it; returns the exit status: 0 where every check holds."""
        failures: list[BaseException] = []
        try:
            return await self._run()
        except* DemoError as group:
            failures += _leaves(group)
        for failure in failures:
            self._console.print(
                f"\nThe demonstration failed: {failure}", markup=False, soft_wrap=True
            )
        return EXIT_FAILED

    async def _run(self) -> int:
        output = prepare_output(self._directory)
        self._timeline.heading("Starting a platform, a simulated carrier and an application server")
        async with open_stage(output, self._credential, self._scenario, self._journal) as stage:
            self._introduce(stage)
            evidence = await self._call(output, stage)
            self.status = self._conclude(evidence, output)
            if not self._keep:
                self._tell_next(stage)
                return self.status
            others = Credential(DISPATCH, secrets.token_urlsafe(18))
            await self._tell_logins(output, stage, others.secret)
            self._tell_next(stage)
            told = partial(self._timeline.note, "platform")
            await Bustle(stage.base_url, others, told).run()
            await asyncio.get_running_loop().create_future()
        return self.status

    def _introduce(self, stage: Stage) -> None:
        note = self._timeline.note
        note("platform", f"API at {stage.base_url}, SIP at {stage.sip}")
        note("carrier", f"SIP at {stage.carrier}: every number is a phone")
        note("application", f"APPID {_APP_ID}, notified at http://{stage.application}")

    async def _call(self, output: Output, stage: Stage) -> Evidence:
        """Ask for the call, let both talk, end it, and fetch the recording."""
        before = await read_pool(output)
        self._timeline.note("pool", f"{before.available_s // 60} minutes left of the package")
        self._timeline.heading("Asking for a call, as click-to-dial-v1 4.6 does")
        self._timeline.paste(format_curl(stage.base_url, self._credential, self._body()))
        self._timeline.heading("The call")
        self._journal.listen(self._tell)
        async with aiohttp.ClientSession() as session:
            client = ApiClient(session, stage.base_url, self._credential)
            self._began_at = datetime.now(UTC)
            self._timeline.begin(self._began_at)
            call_id = await client.begin(self._body())
            self._timeline.step("api", f"200 Success, callidentifier {call_id}")
            await self._await_status(call_id, "Connected", _CONNECT_TIMEOUT_S)
            await asyncio.sleep(_TALK_S)
            self._timeline.step("api", "clicktodialrelease, operation EndCall")
            await client.release(call_id)
            ended = await self._await_status(call_id, "Disconnected", _DISCONNECT_TIMEOUT_S)
            for number in (self._scenario.caller, self._scenario.callee):
                await self._journal.wait_for("heard", timeout_s=_HEARD_TIMEOUT_S, phone=number)
            recording_id = str(ended.get("recordingId", ""))
            audio = await client.download(call_id, recording_id)
        self._timeline.step("api", f"recordingdownload: {len(audio):,} bytes")
        arrived = await read_mailbox(output, count=2)
        for each in arrived:
            self._timeline.step("mailbox", f"to {each.recipient}: {each.text}")
        texts = [each.text for each in arrived]
        after = await read_pool(output)
        self._timeline.step("pool", f"{after.available_s // 60} minutes left")
        return Evidence(
            self._scenario,
            call_id,
            self._journal.entries,
            _read_recording(audio),
            messages=texts,
            pool_before=before,
            pool_after=after,
        )

    async def _await_status(self, call_id: str, status: str, timeout_s: float) -> dict[str, object]:
        """The notification of that status; fails at once when the call is over before."""
        waiting = [
            asyncio.ensure_future(
                self._journal.wait_for(
                    "notification", timeout_s=timeout_s, callidentifier=call_id, status=each
                )
            )
            for each in {status, "Disconnected"}
        ]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            told: dict[str, object] = next(iter(done)).result().fields["notification"]
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if told["status"] != status:
            raise MissedError(f"the call ended before it was {status}: {told.get('reason')}")
        return told

    def _body(self) -> dict[str, object]:
        scenario = self._scenario
        return {
            "APPID": _APP_ID,
            "sponsor": scenario.sponsor,
            "caller": scenario.caller,
            "callee": scenario.callee,
            "record": 1,
            "sendDirection": "BOTH",
        }

    def _conclude(self, evidence: Evidence, output: Output) -> int:
        """Draw, check, and sum up on one screen; returns the exit status."""
        output.recording.write_bytes(evidence.recording.file)
        output.waveform.write_text(draw_recording(evidence), encoding="utf-8")
        output.ladder.write_text(draw_legs(evidence, self._began_at), encoding="utf-8")
        checks = check_evidence(evidence)
        self._timeline.heading("Checks")
        self._timeline.checks(checks)
        self._timeline.heading("Files")
        self._timeline.rows(
            [
                (output.shown(output.recording), "the recording: caller left, callee right"),
                (output.shown(output.waveform), "a picture of its two channels"),
                (output.shown(output.ladder), "the SIP ladder of both legs"),
            ]
        )
        return EXIT_PASSED if all(check.holds for check in checks) else EXIT_FAILED

    def _tell(self, entry: Entry) -> None:
        if not is_of_others(entry):
            self._timeline.tell(entry)

    async def _tell_logins(self, output: Output, stage: Stage, secret: str) -> None:
        """Let somebody log in to the console, and say where and how."""
        self._timeline.heading("Making some weeks of history for the web console")
        logins = await create_people(output, stage.base_url, ENTERPRISE, secret=secret)
        self._timeline.heading(f"The web console: {stage.base_url}/console/")
        self._timeline.rows([("password", f"{logins[0].password} (of all of these)")])
        self._timeline.rows([(each.account, each.about) for each in logins])

    def _tell_next(self, stage: Stage) -> None:
        if self._keep:
            self._timeline.heading("The server runs on; ask it for a call yourself")
            # A callee that ends in 06 hangs up after 5 s, so that this call ends by itself.
            body = {**self._body(), "callee": self._scenario.callee[:-2] + "06"}
            self._timeline.paste(format_curl(stage.base_url, self._credential, body))
            self._timeline.rows(
                [
                    ("docs/sandbox.md", "what other numbers do"),
                    (f"{stage.base_url}/docs", "the API"),
                    ("Ctrl-C", "stops all of it"),
                ]
            )
        else:
            self._timeline.heading("Next: start it again, left running, with a curl line to try")
            self._timeline.paste(f"{COMMAND_SHOWN} demo --keep")


def _read_recording(audio: bytes) -> Recording:
    """Raises PlatformError for what is no audio file."""
    try:
        samples, sample_rate = soundfile.read(io.BytesIO(audio), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise PlatformError("the recording is no audio file") from error
    return Recording(audio, samples, sample_rate)


def _leaves(group: BaseExceptionGroup[DemoError]) -> list[BaseException]:
    """The single errors of a group of groups."""
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
