"""Tests of starting and ending a platform, on the fake one."""

from pathlib import Path

import pytest

from clicktodial.bench.error import PlatformError
from clicktodial.bench.placement import Placement
from clicktodial.bench.platform import run_platform


async def start_and_stop(command: tuple[str, ...], directory: Path, placement: Placement) -> int:
    async with run_platform(
        command, directory=directory, notify_port=9, phone_port=5090, placement=placement
    ) as platform:
        assert platform.is_alive
        assert platform.http_port > 0
        assert platform.pids == [platform.process.pid]
        assert platform.read_warnings() == []
    status = platform.process.returncode
    assert status is not None
    return status


async def test_platform_gets_its_settings_application_and_trunk(
    tmp_path: Path, placement: Placement, fake_command: tuple[str, ...]
) -> None:
    assert await start_and_stop(fake_command, tmp_path, placement) == 0
    assert (tmp_path / "data" / "notify").read_text() == "http://127.0.0.1:9"
    assert (tmp_path / "data" / "trunk").read_text() == "127.0.0.1:5090"


async def test_settings_of_the_shell_do_not_reach_the_platform(
    tmp_path: Path,
    placement: Placement,
    fake_command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLICKTODIAL_LOG__LEVEL", "debug")
    program = tmp_path / "program"
    program.write_text(
        '#!/bin/sh\n[ -z "$CLICKTODIAL_LOG__LEVEL" ] || exit 1\n'
        f'exec {" ".join(fake_command)} "$@"\n'
    )
    program.chmod(0o755)
    assert await start_and_stop((str(program),), tmp_path, placement) == 0


async def test_platform_that_never_gets_ready_is_told(
    tmp_path: Path,
    placement: Placement,
    fake_command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "mute")
    with pytest.raises(PlatformError, match="not ready"):
        await start_and_stop(fake_command, tmp_path, placement)


async def test_command_that_fails_is_told_with_what_it_said(
    tmp_path: Path,
    placement: Placement,
    fake_command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "no-trunk")
    with pytest.raises(PlatformError, match="trunk add failed: no trunk today"):
        await start_and_stop(fake_command, tmp_path, placement)


async def test_missing_program_is_told(tmp_path: Path, placement: Placement) -> None:
    with pytest.raises(PlatformError, match="cannot run /nowhere/clicktodial"):
        await start_and_stop(("/nowhere/clicktodial",), tmp_path, placement)
