"""Files of tickets: who sees them, what is taken, and their end."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from tests.accounts.paper import pdf, png
from tests.accounts.support import (
    BEA,
    NORA,
    OLGA,
    SAM,
    SUE,
    VAULT,
    add_people,
    after,
    create_tickets,
    new_ticket,
)

from clicktodial.accounts import ticket_attachment as module
from clicktodial.accounts.document_content import DocumentRefused, MediaType
from clicktodial.accounts.document_store import DocumentFileError, DocumentStore
from clicktodial.accounts.erasure import ORPHAN_AFTER, PersonalDataEraser
from clicktodial.accounts.ticket_attachment import TicketAttachments, shorten_name
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.principal import Principal
from clicktodial.storage import table
from clicktodial.storage.error import Conflict, NotFound
from clicktodial.storage.transaction import Transactions

RETENTION = timedelta(days=30)


class Bench:
    """A ticket of a customer, and where its files are."""

    def __init__(self, engine: Engine, root: Path) -> None:
        add_people(engine)
        self.engine = engine
        self.root = root
        self.store = DocumentStore(root, VAULT)
        self.tickets = create_tickets(Transactions(engine))
        self.files = TicketAttachments(Transactions(engine), self.tickets, self.store)
        self.ticket_id = self.tickets.open(OLGA, new_ticket(), after(0))

    def attach(
        self,
        who: Principal = OLGA,
        content: bytes = b"",
        *,
        name: str = "shot.png",
        is_note: bool = False,
    ) -> None:
        do = self.tickets.note if is_note else self.tickets.write
        self.files.attach(
            who,
            self.ticket_id,
            name=name,
            content=content or png(),
            say=lambda on_step: do(who, self.ticket_id, "See here.", after(1), on_step=on_step),
            now=after(1),
        )

    def on_disk(self) -> int:
        return sum(path.is_file() for path in self.root.rglob("*"))


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Bench:
    return Bench(engine, tmp_path / "documents")


def test_file_is_seen_by_both_sides_and_nobody_else(bench: Bench) -> None:
    bench.attach(OLGA)
    bench.attach(SUE, pdf(), name="C:\\reports\\call flow.pdf")
    for who in (OLGA, SUE, NORA):
        first, second = bench.files.list_of(who, bench.ticket_id)
        assert (first.name, first.media_type, first.seq) == ("shot", MediaType.PNG, 2)
        assert (second.name, second.media_type, second.seq) == ("call flow", MediaType.PDF, 3)
        opened, enterprise_id, content = bench.files.open(
            who, bench.ticket_id, second.attachment_id
        )
        assert (opened, enterprise_id, content) == (second, "acme", pdf())
    for stranger in (BEA, SAM):
        with pytest.raises(NotFound):
            bench.files.list_of(stranger, bench.ticket_id)
        with pytest.raises(NotFound):
            bench.attach(stranger)
    other = bench.tickets.open(OLGA, new_ticket(), after(2))
    with pytest.raises(NotFound):
        bench.files.open(OLGA, other, second.attachment_id)
    assert bench.on_disk() == 2


def test_file_of_a_note_stays_within_support(bench: Bench) -> None:
    bench.attach(SUE, is_note=True)
    (noted,) = bench.files.list_of(SUE, bench.ticket_id)
    assert bench.files.list_of(OLGA, bench.ticket_id) == []
    with pytest.raises(NotFound):
        bench.files.open(OLGA, bench.ticket_id, noted.attachment_id)


def test_what_is_refused_leaves_neither_step_nor_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DocumentRefused):
        bench.attach(content=b"<html><script>alert(1)</script>")
    bench.attach()
    monkeypatch.setattr(module, "OF_TICKET_MAX", 1)
    with pytest.raises(Conflict, match="at most 1 files"):
        bench.attach()
    monkeypatch.undo()
    monkeypatch.setattr(module, "OF_ENTERPRISE_MAX", 1)
    with pytest.raises(Conflict, match="of an enterprise have at most 1"):
        bench.attach()
    assert len(bench.tickets.show(OLGA, bench.ticket_id).file.steps) == 2
    assert bench.on_disk() == 1


def test_file_that_was_tampered_with_is_not_shown(bench: Bench) -> None:
    bench.attach()
    (kept,) = bench.files.list_of(OLGA, bench.ticket_id)
    bench.store.write(kept.attachment_id, png() + b"more")
    with pytest.raises(DocumentFileError):
        bench.files.open(OLGA, bench.ticket_id, kept.attachment_id)


@pytest.mark.on_every_database
def test_files_are_erased_with_what_else_is_known_of_the_customer(bench: Bench) -> None:
    bench.attach()
    (kept,) = bench.files.list_of(OLGA, bench.ticket_id)
    eraser = PersonalDataEraser(Transactions(bench.engine), bench.store, retention=RETENTION)
    # The sweep of files without a row leaves it, however old it is.
    for path in bench.root.rglob("*.sealed"):
        os.utime(path, (0, 0))
    assert eraser.erase_due(after(0) + ORPHAN_AFTER) == 0
    with bench.engine.begin() as connection:
        connection.execute(
            update(table.enterprise)
            .where(table.enterprise.c.id == "acme")
            .values(state=EnterpriseState.CANCELLED.value, state_since=after(0))
        )
    assert eraser.erase_due(after(1) + RETENTION) == 1
    assert bench.on_disk() == 0
    assert bench.files.list_of(SUE, bench.ticket_id) == []
    with pytest.raises(NotFound):
        bench.files.open(SUE, bench.ticket_id, kept.attachment_id)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.pdf", "a"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.y.png", "x.y"),
        ("\x00\n", "file"),
        (".png", ".png"),
        ("截图.png", "截图"),
        ("no ending at all", "no ending at all"),
        ("n" * 500, "n" * 120),
    ],
)
def test_name_is_what_people_would_call_it(given: str, kept: str) -> None:
    assert shorten_name(given) == kept
