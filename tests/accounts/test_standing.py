"""Where an enterprise stands, from its first day on."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, update

from clicktodial.accounts import standing as module
from clicktodial.accounts.standing import Matter, MatterKind, Standings, Step
from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.rating import Tariff
from clicktodial.storage import table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.billing_table import package_lot
from clicktodial.storage.error import NotFound
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NEW = Principal(name="n", roles=frozenset({Role.OWNER}), enterprise_id="new")
EVENT = {
    "call_id": "c1", "app_id": "new-app", "status": "Connected", "occurred_at": NOW,
    "payload": "{}", "attempts": 1,
}  # fmt: skip


@pytest.fixture
def standings(transactions: Transactions, administration: Administration) -> Standings:
    """Besides two enterprises that have applications there is one that has nothing."""
    administration.create_enterprise("new")
    return Standings(transactions)


def set_state(engine: Engine, state: EnterpriseState) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(table.enterprise).where(table.enterprise.c.id == "new").values(state=state)
        )


def add_call(engine: Engine) -> None:
    row = {
        "id": "c1", "node_id": "n", "app_id": "new-app", "begun_at": NOW, "state": "ended",
        "duration_s": 0, "event_count": 1, "sponsor_e164": "+861", "sponsor_written": "1",
        "caller_e164": "+862", "caller_written": "2", "callee_e164": "+863", "callee_written": "3",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(table.call).values(row))


def test_steps_are_done_one_after_the_other(
    standings: Standings,
    transactions: Transactions,
    administration: Administration,
    engine: Engine,
) -> None:
    set_state(engine, EnterpriseState.PROSPECT)
    assert standings.read(NEW, "new", NOW).done == frozenset()
    set_state(engine, EnterpriseState.ACTIVE)
    done = [standings.read(NEW, "new", NOW).done]
    administration.create_application(
        NewApplication(app_id="new-app", secret="S", enterprise_id="new")
    )
    done.append(standings.read(NEW, "new", NOW).done)
    administration.add_sponsor("new-app", "01052680000")
    done.append(standings.read(NEW, "new", NOW).done)
    administration.set_notify_url("new-app", "https://n.example", allow_private_addresses=False)
    done.append(standings.read(NEW, "new", NOW).done)
    sell_minutes(transactions, 600)
    done.append(standings.read(NEW, "new", NOW).done)
    add_call(engine)
    found = standings.read(NEW, "new", NOW)
    done.append(found.done)
    steps = [Step.QUALIFY, Step.APPLICATION, Step.NUMBER, Step.SERVER, Step.MINUTES, Step.CALL]
    assert done == [frozenset(steps[: number + 1]) for number in range(len(steps))]
    assert found.is_set_up and found.matters == []


def sell_minutes(transactions: Transactions, seconds: int) -> None:
    pools = Pools(transactions)
    pools.set_up(OPERATOR_PRINCIPAL, "new", PoolSettings(Tariff()), NOW)
    package = NewPackage(
        kind=PackageKind.ONE_OFF, name="p", seconds=seconds, valid_from=NOW - timedelta(days=1)
    )
    pools.add_package(OPERATOR_PRINCIPAL, "new", package, NOW)


@pytest.mark.parametrize(
    ("available_s", "kinds"),
    [(600, []), (120, []), (119, [MatterKind.POOL_LOW]), (0, [MatterKind.POOL_EMPTY])],
)
def test_pool_that_runs_low_is_a_matter(
    standings: Standings,
    transactions: Transactions,
    engine: Engine,
    available_s: int,
    kinds: list[MatterKind],
) -> None:
    sell_minutes(transactions, 600)
    with engine.begin() as connection:
        connection.execute(
            update(package_lot).values(available_s=available_s, consumed_s=600 - available_s)
        )
    assert [each.kind for each in standings.read(NEW, "new", NOW).matters] == kinds


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (EnterpriseState.IN_REVIEW, MatterKind.IN_REVIEW),
        (EnterpriseState.SUSPENDED, MatterKind.SUSPENDED),
        (EnterpriseState.CANCELLING, MatterKind.CANCELLING),
        (EnterpriseState.CANCELLING_SUSPENDED, MatterKind.SUSPENDED),
    ],
)
def test_state_is_a_matter(
    standings: Standings, engine: Engine, state: EnterpriseState, kind: MatterKind
) -> None:
    set_state(engine, state)
    assert list(standings.read(NEW, "new", NOW).matters) == [Matter(kind)]


def test_notifications_that_fail_are_counted(
    standings: Standings,
    administration: Administration,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    administration.create_application(
        NewApplication(app_id="new-app", secret="S", enterprise_id="new")
    )
    add_call(engine)
    events = [
        EVENT | {"seq": 1, "delivery_state": "given_up"},
        EVENT | {"seq": 2, "delivery_state": "given_up", "occurred_at": NOW - timedelta(hours=2)},
        EVENT | {"seq": 3, "delivery_state": "pending"},
        EVENT | {"seq": 4, "delivery_state": "pending"},
        EVENT | {"seq": 5, "delivery_state": "pending", "attempts": 0},
        EVENT | {"seq": 6, "delivery_state": "delivered"},
    ]
    with engine.begin() as connection:
        connection.execute(insert(table.call_event), events)
    assert list(standings.read(NEW, "new", NOW).matters) == [
        Matter(MatterKind.NOTIFICATIONS_LOST, 1),
        Matter(MatterKind.NOTIFICATIONS_FAILING, 2),
    ]
    monkeypatch.setattr(module, "COUNTED_MAX", 1)
    assert standings.read(NEW, "new", NOW).matters[1].count == 1


def test_standing_of_another_is_not_there(standings: Standings) -> None:
    with pytest.raises(NotFound):
        standings.read(NEW, "acme", NOW)
