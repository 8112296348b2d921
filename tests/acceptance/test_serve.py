"""The server as a process: its settings, its one line, its exit status, its log."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness.address import allocate_host, free_port, parse_address
from tests.harness.client import CALLEE, CALLER, SECRET, SPONSOR
from tests.harness.platform import COMMAND, Platform
from tests.harness.process import OwnedProcess, ProcessTimeout
from tests.harness.sink import basic_credential
from tests.harness.stage import Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_COMMAND_TIMEOUT_S = 60.0


async def _serve(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [str(COMMAND), "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
        cwd=tmp_path,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talkative_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A platform that made all its files, logs all it can, and had a call."""
    directory = tmp_path_factory.mktemp("platform")
    tables = {"log": {"level": "debug"}}
    async with open_stage(directory, tables, is_first_start=True) as stage:
        await stage.phone(CALLER)
        await stage.phone(CALLEE, refuses_with=486)
        call = await stage.begin(record=1)
        await call.wait_for_end()
        yield stage


async def test_ready_line_is_the_only_standard_output(talkative_stage: Stage) -> None:
    with pytest.raises(ProcessTimeout):
        talkative_stage.platform.process.read_line(0.1)


async def test_environment_overrides_the_file(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    host = allocate_host()
    port = free_port(host)
    process = OwnedProcess(
        [str(COMMAND), "serve", "--config", str(platform.config_path)],
        log_stem=tmp_path / "serve",
        pipe_output=True,
        environment=os.environ
        | {"CLICKTODIAL_SIP__HOST": host, "CLICKTODIAL_SIP__PORT": str(port)},
    )
    try:
        fields = dict(
            word.split("=") for word in process.read_line(_COMMAND_TIMEOUT_S).split() if "=" in word
        )
        assert parse_address(fields["sip"]) == (host, port)
    finally:
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sip]\nport = 99999\n", "sip.port"),
        ("[sip]\nprot = 1\n", "prot"),
        ("[unknown]\nx = 1\n", "unknown"),
        ("not toml", "clicktodial.toml"),
        ("[media]\nport_min = 30000\nport_max = 30001\n", "port_max"),
    ],
)
async def test_unusable_settings_are_refused_with_their_name(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "clicktodial.toml"
    path.write_text(text)
    done = await _serve(tmp_path, "--config", str(path))
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr


async def test_missing_settings_file_is_refused(tmp_path: Path) -> None:
    done = await _serve(tmp_path, "--config", str(tmp_path / "none.toml"))
    assert done.returncode != 0
    assert "none.toml" in done.stderr
    assert "Traceback" not in done.stderr


async def test_taken_port_is_refused_with_a_reason(stage: Stage, tmp_path: Path) -> None:
    host, port = stage.platform.sip
    second = Platform(tmp_path, {"sip": {"host": host, "port": port}})
    done = await _serve(tmp_path, "--config", str(second.config_path))
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


async def test_log_holds_no_secret_and_no_whole_number(talkative_stage: Stage) -> None:
    log = talkative_stage.platform.log
    assert "call.ended" in log
    signing_secret = talkative_stage.application.registration["signing_secret"]
    credential = basic_credential("12345678", SECRET).removeprefix("Basic ")
    for number in (CALLER, CALLEE, SPONSOR, CALLER[2:], CALLEE[2:], SPONSOR[1:]):
        assert number not in log
    for secret in (SECRET, signing_secret, signing_secret.removeprefix("whsec_"), credential):
        assert secret not in log


async def test_data_directory_holds_no_secret_in_clear_and_is_private(
    talkative_stage: Stage,
) -> None:
    data_dir = talkative_stage.platform.data_dir
    assert data_dir.stat().st_mode & 0o077 == 0
    for path in data_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
