"""Parts of files, as browsers ask for them (RFC 9110 14)."""

import pytest
from tests.portal.client import Client
from tests.portal.world import ACME, BRAVO, World

from clicktodial.domain.principal import Role
from clicktodial.portal.clip import RangeNotSatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        (b"bytes=0-", (0, 100)),
        (b"bytes=10-19", (10, 20)),
        (b"bytes=90-1000", (90, 100)),
        (b"bytes=-10", (90, 100)),
        (b"bytes=-1000", (0, 100)),
        (b"bytes=-", None),
        (b"bytes=20-10", None),
        (b"bytes=0-1,5-6", None),
        (b"lines=1-2", None),
        (b"bytes=" + b"9" * 100 + b"-", None),
    ],
)
def test_range_is_read(header: bytes | None, part: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == part


@pytest.mark.parametrize("header", [b"bytes=100-", b"bytes=-0"])
def test_part_that_is_not_there_is_refused(header: bytes) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 100)


def test_recording_is_sent_whole_and_in_parts(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    path = f"/calls/{world.ids[ACME]['call_id']}/recording"
    whole = client.get(path)
    assert (whole.status, whole.headers["content-type"]) == (200, "audio/wav")
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.body[:4] == b"RIFF" and len(whole.body) == int(whole.headers["content-length"])
    part = client.get(path, Range="bytes=1000-300999")
    assert part.status == 206
    assert part.headers["content-range"] == f"bytes 1000-300999/{len(whole.body)}"
    assert part.body == whole.body[1_000:301_000]
    beyond = client.get(path, Range=f"bytes={len(whole.body)}-")
    assert beyond.status == 416
    taken = client.get(f"{path}?download=yes")
    assert taken.headers["content-disposition"].startswith("attachment")


def test_who_listened_is_told_to_the_audit_log(origin: str, world: World) -> None:
    call_id = world.ids[ACME]["call_id"]
    Client(origin, world.tokens[Role.DEVELOPER]).get(f"/calls/{call_id}/recording")
    entry = world.audit_log.list_entries(enterprise_id=ACME, limit=1)[0]
    assert (entry.operation, entry.outcome) == ("recording", "read")
    assert entry.subjects == {"call_id": call_id, "recording_id": f"r{call_id}"}
    assert Role.DEVELOPER in entry.roles


def test_recording_is_nobody_elses(origin: str, world: World) -> None:
    path = f"/calls/{world.ids[BRAVO]['call_id']}/recording"
    for role, status in ((Role.OWNER, 404), (Role.READER, 403), (Role.OPERATOR, 403)):
        assert Client(origin, world.tokens[role]).get(path).status == status
