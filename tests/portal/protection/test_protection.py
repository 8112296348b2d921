"""Rules of how often and when callees are called, and lists of who is not."""

from collections.abc import Iterator

import pytest
from tests.portal.client import Client
from tests.portal.seed.own import Own, create_own
from tests.portal.world import World

from clicktodial.accounts.protection import ProtectionSettings
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import FrequencyCaps, PlatformProtection, QuietHours

ZONE = {"part": "callees", "time_zone": "Asia/Shanghai"}


@pytest.fixture(scope="module")
def own(world: World) -> Own:
    return create_own(world, "protected", "33333334")


@pytest.fixture
def client(origin: str, own: Own) -> Client:
    return Client(origin, own.token)


@pytest.fixture
def settings(world: World) -> Iterator[ProtectionSettings]:
    settings = ProtectionSettings(world.transactions)
    yield settings
    settings.change_platform(lambda known: PlatformProtection())


def test_rules_are_kept_and_none_is_above_the_operators(
    client: Client, own: Own, settings: ProtectionSettings
) -> None:
    fields = ZONE | {"per_hour": "2", "since": "21:00", "until": "08:00"}
    assert client.post("/protection", fields).status == 303
    known = settings.show(own.enterprise_id)
    assert known.frequency == FrequencyCaps(per_hour=2)
    assert known.quiet_hours == QuietHours(21 * 60, 8 * 60)
    settings.change_platform(
        lambda platform: PlatformProtection(frequency=FrequencyCaps(per_hour=3))
    )
    assert "The operator's: 3" in client.get("/protection").text
    for wrong in ({"per_hour": "4"}, {"since": "21:00"}, {"since": "x", "until": "08:00"}):
        assert client.post("/protection", ZONE | wrong).status == 422, wrong
    assert client.post("/protection", {"part": "callees", "time_zone": "Mars"}).status == 422
    assert settings.show(own.enterprise_id) == known
    assert client.post("/protection", {"part": "caps", "per_day": "50"}).status == 303
    assert settings.show(own.enterprise_id).member_caps.per_day == 50
    assert settings.show(own.enterprise_id).quiet_hours == known.quiet_hours


def test_application_is_excepted_from_quiet_hours(
    client: Client, own: Own, settings: ProtectionSettings
) -> None:
    path = f"/protection/applications/{own.app_id}"
    assert client.post(path, {"ignores": "yes"}).status == 303
    found = settings.list_exceptions(own.enterprise_id)
    assert found[own.app_id].ignores_quiet_hours
    assert not found[own.app_id].ignores_platform_quiet_hours
    assert client.post(path).status == 303
    assert not settings.list_exceptions(own.enterprise_id)[own.app_id].ignores_quiet_hours


def test_number_of_a_list_is_found_by_who_knows_it_and_read_by_nobody(client: Client) -> None:
    path, number = "/protection/do-not-call", "13912347777"
    fields = {"number": number, "reason": "asked", "expires": "2099-01-31"}
    assert client.post(path, fields).status == 303
    listed = client.get(path).text
    assert number not in listed
    assert "asked" in listed and "+8613*******77" in listed and "99" in listed
    assert "It stands here since" in client.post(f"{path}/find", {"sought": number}).text
    absent = client.post(f"{path}/find", {"sought": "13912347776"})
    assert "It does not stand here." in absent.text
    assert client.post(f"{path}/find", {"sought": "x"}).status == 422
    for wrong in ({"expires": "never"}, {"expires": "2001-01-01"}, {"number": "1"}):
        assert client.post(path, fields | wrong).status == 422, wrong


def test_operator_keeps_the_platforms_rules_and_blacklist(
    origin: str, world: World, settings: ProtectionSettings
) -> None:
    client = Client(origin, world.tokens[Role.OPERATOR])
    assert client.post("/platform/protection", {"per_day": "10"}).status == 303
    assert settings.show_platform().frequency == FrequencyCaps(per_day=10)
    path = "/platform/protection/blacklist"
    entry = {"kind": "prefix", "number": "+8816", "reason": "satellites"}
    assert client.post(path, entry).status == 303
    assert client.post(path, entry).status == 422
    assert client.post(path, {"kind": "prefix", "number": "8816"}).status == 422
    assert "+8816" in client.get(path).text
    assert client.post(f"{path}/remove", {"number": "+8816"}).status == 303
    assert "+8816" not in client.get(path).text
