"""The code that the documentation shows is run as it stands."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from tests.client.support import SIGNING_SECRET, render_v1, sign

from clicktodial.client.testing import PhoneKind, Sandbox

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 150
_LINES_MAX = 20


def shown(page: str, mark: str) -> list[str]:
    """The blocks of Python of a page that are marked so."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"<!-- {re.escape(mark)} -->\n```python\n(.*?)```", text, re.DOTALL)


def test_newcomers_application_of_the_readme_runs(
    clicktodial_sandbox: Sandbox, tmp_path: Path
) -> None:
    [source] = shown("README.md", "tested: tests/client/test_documentation.py")
    assert len(source.splitlines()) <= _LINES_MAX
    environment = {
        "PLATFORM": clicktodial_sandbox.base_url,
        "APP_ID": clicktodial_sandbox.app_id,
        "SECRET": clicktodial_sandbox.secret,
    }
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    told = [line.split()[2:] for line in done.stdout.splitlines()]
    assert told == [["CallingCaller"], ["CallingCallee"], ["Connected"], ["Disconnected", "HangUp"]]
    assert (tmp_path / "call.wav").read_bytes().startswith(b"RIFF")


@pytest.fixture(scope="module")
def names(clicktodial_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the blocks of the page take for given; each adds its own."""
    sandbox = clicktodial_sandbox
    key = OKPKey.generate_key("Ed25519", {"kid": "page"})
    jwks = tmp_path_factory.mktemp("keys") / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    sandbox.command("app", "set-keys", sandbox.app_id, "--jwks", str(jwks))
    headers, body = render_v1()
    return {
        "platform": sandbox.base_url,
        "app_id": sandbox.app_id,
        "secret": sandbox.secret,
        "sponsor": sandbox.sponsor,
        "caller": sandbox.phone(PhoneKind.RINGS_ON),
        "callee": sandbox.phone(),
        "private_key": key.as_dict(private=True),
        "sink": sandbox.inbox.url,
        "cursor": None,
        "signing_secret": SIGNING_SECRET,
        "headers": sign(headers["webhook-id"], body, at_s=int(time.time())),
        "body": body,
    }


def test_blocks_of_the_page_run(
    clicktodial_sandbox: Sandbox, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox = clicktodial_sandbox
    v1, camara, events, notification = shown("docs/sdk.md", "tested")
    exec(v1, names)
    sandbox.inbox.wait_for(names["call_id"], "Disconnected")
    exec(camara, names)
    sandbox.inbox.wait_for(names["call"].call_id, "disconnected")
    with sandbox.client() as client:
        exec(events, names | {"client": client})
    exec(notification, names)
    assert names["status"] == 204
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"{names['notification'].call_id} Disconnected"


def test_users_test_has_the_fixture_and_its_process_ends_with_it(tmp_path: Path) -> None:
    [source] = shown("docs/sdk.md", "tested: a test")
    tell = '\n\ndef test_pid(clicktodial_sandbox):\n    print("PID", clicktodial_sandbox.pid)\n'
    (tmp_path / "test_mine.py").write_text(source + tell)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "clicktodial.pytest_plugin"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    pid = int(done.stdout.partition("PID ")[2].split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
