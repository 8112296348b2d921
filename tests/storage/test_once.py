"""Begins that come with a key: one call for each, whatever happens meanwhile."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.storage.support import APP_ID, NODE_ID, NOW, count_rows, create_call, create_event

from clicktodial.control.error import KeyReused, Overloaded
from clicktodial.control.once import OnceBegin, OnceBegins
from clicktodial.domain.idempotency import KEPT_FOR, OnceClaim
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.error import StoreConflict
from clicktodial.storage.once import SqlKeptRequests
from clicktodial.storage.protection_cleanup import clean_up

pytestmark = pytest.mark.on_every_database

OTHER_APP = AppId("87654321")


class Node:
    """A node that begins calls by keys; `begun` are those that it made durable."""

    def __init__(self, database: Database) -> None:
        self._store = SqlCallStore(database, node_id=NODE_ID)
        self._kept = SqlKeptRequests(database)
        self.now = NOW
        self.once = OnceBegins(self._kept, lambda: self.now)
        self.begun: list[CallId] = []
        self.error: Exception | None = None

    async def begin(self, app_id: AppId, claim: OnceClaim) -> CallId:
        if self.error is not None:
            raise self.error
        call = create_call(app_id=app_id)
        call.plan = replace(call.plan, once=claim)
        try:
            await self._store.create(call, [create_event(call)])
        except StoreConflict as error:
            raise Overloaded from error  # as the service tells it
        self.begun.append(call.plan.call_id)
        return call.plan.call_id

    async def ask(
        self, request: str = "a", *, key: str = "key", app_id: AppId = APP_ID, keeps: bool = False
    ) -> tuple[str, bool]:
        """The call that is answered with, and whether it is so once more."""

        async def render(call_id: CallId) -> bytes:
            return f"{call_id} {len(self.begun)}".encode() if keeps else call_id.encode()

        how = OnceBegin(lambda claim: self.begin(app_id, claim), render, keeps_answer=keeps)
        answer = await self.once.answer(app_id, key, request, how)
        return answer.body.decode(), answer.is_replayed


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database)


async def test_same_request_is_answered_the_same(node: Node, database: Database) -> None:
    first = await node.ask()
    assert first == (node.begun[0], False)
    assert await node.ask() == (node.begun[0], True)
    assert await Node(database).ask() == (node.begun[0], True)  # another node, or a new life
    assert len(node.begun) == count_rows(database.engine, "call") == 1


async def test_answer_that_would_change_is_kept(node: Node, database: Database) -> None:
    first, _ = await node.ask(keeps=True)
    await node.ask(key="another", keeps=True)
    assert await node.ask(keeps=True) == (first, True)
    assert await Node(database).ask(keeps=True) == (first, True)


async def test_other_request_by_the_key_is_refused(node: Node) -> None:
    await node.ask("a")
    with pytest.raises(KeyReused):
        await node.ask("b")
    assert len(node.begun) == 1


async def test_keys_are_each_application_s_own(node: Node) -> None:
    await node.ask()
    assert (await node.ask(app_id=OTHER_APP))[1] is False
    assert len(node.begun) == 2


async def test_many_at_once_to_several_nodes_make_one_call(database: Database) -> None:
    nodes = [Node(database) for _ in range(4)]
    answers = await asyncio.gather(*(node.ask() for node in nodes * 25))
    begun = [call_id for node in nodes for call_id in node.begun]
    assert len(begun) == count_rows(database.engine, "call") == 1
    assert {call_id for call_id, _ in answers} == set(begun)
    assert sorted(is_replayed for _, is_replayed in answers) == [False] + [True] * 99


async def test_refused_begin_may_be_tried_again(node: Node) -> None:
    node.error = Overloaded()
    with pytest.raises(Overloaded):
        await node.ask()
    node.error = None
    assert (await node.ask("another body"))[1] is False


async def test_call_and_key_are_durable_together(node: Node, database: Database) -> None:
    """What undoes the one undoes the other: a call's row that exists already, and a key's."""
    store = SqlCallStore(database, node_id=NODE_ID)
    call, other = create_call(), create_call()
    claim = OnceClaim("key", "a", NOW)
    call.plan = replace(call.plan, once=claim)
    other.plan = replace(other.plan, once=replace(claim, key_hash="other"), call_id=CallId("x"))
    await store.create(call, [create_event(call)])
    with pytest.raises(StoreConflict):
        await store.create(call, [create_event(call)])
    await store.create(other, [create_event(other)])
    third = create_call()
    third.plan = replace(third.plan, once=claim)
    with pytest.raises(StoreConflict):
        await store.create(third, [create_event(third)])
    assert count_rows(database.engine, "call") == count_rows(database.engine, "once_request") == 2
    assert count_rows(database.engine, "call_event") == 2


@pytest.mark.parametrize("is_removed", [False, True])
async def test_key_is_forgotten_after_a_day(
    node: Node, database: Database, is_removed: bool
) -> None:
    await node.ask("a")
    node.now += KEPT_FOR - timedelta(milliseconds=1)
    assert await node.ask("a") == (node.begun[0], True)
    assert clean_up(database.engine, node.now) == 0
    node.now += timedelta(milliseconds=1)
    if is_removed:
        assert clean_up(database.engine, node.now) == 1
    assert await node.ask("b") == (node.begun[-1], False)
    assert await node.ask("b") == (node.begun[-1], True)
    assert len(node.begun) == 2


async def test_begin_is_refused_where_the_key_cannot_be_looked_up(database: Database) -> None:
    class Broken(SqlKeptRequests):
        async def find(self, app_id: AppId, key_hash: str, now: datetime) -> None:
            raise StoreConflict

    node = Node(database)
    node.once = OnceBegins(Broken(database), lambda: NOW)
    with pytest.raises(Overloaded):
        await node.ask()
    assert node.begun == []
