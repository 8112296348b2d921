"""Begins that came with a key: claimed with their calls, found when they come again."""

from datetime import datetime

from sqlalchemy import Connection, Dialect, Insert, bindparam, null, select, update

from clicktodial.control.once import KeptRequest
from clicktodial.domain.idempotency import OnceClaim
from clicktodial.domain.identifier import AppId, CallId
from clicktodial.storage.database import Database
from clicktodial.storage.instant import to_millis
from clicktodial.storage.once_table import once_request
from clicktodial.storage.statement import Statement, compile_statement, dialect_insert
from clicktodial.storage.writer import Write

# After the call's row; a key that was claimed by another undoes all of them.
_CLAIM_RANK = 1
_ANSWER_RANK = 2
_CLAIM_NAMES = ["app_id", "key_hash", "request_hash", "call_id", "expires_at", "now"]
_columns = once_request.c


class OnceWrites:
    """The finished statement for one database."""

    def __init__(self, dialect: Dialect) -> None:
        self._claim = compile_statement(
            _claim_statement(dialect), dialect, _CLAIM_NAMES, rank=_CLAIM_RANK
        )

    def write(self, app_id: AppId, call_id: CallId, claim: OnceClaim) -> Write:
        """To be written with the call."""
        expires_at, now = to_millis(claim.expires_at), to_millis(claim.now)
        hashes = (claim.key_hash, claim.request_hash)
        return self._claim, (app_id, *hashes, call_id, expires_at, now)


class SqlKeptRequests:
    """Implements `control.once.KeptRequests`."""

    def __init__(self, database: Database) -> None:
        self._reader = database.reader
        self._writer = database.writer
        self._answer = _compile_answer(database.engine.dialect)

    async def find(self, app_id: AppId, key_hash: str, now: datetime) -> KeptRequest | None:
        """See KeptRequests."""
        query = select(_columns.request_hash, _columns.call_id, _columns.answer).where(
            _columns.app_id == app_id, _columns.key_hash == key_hash, _columns.expires_at > now
        )

        def read(connection: Connection) -> KeptRequest | None:
            row = connection.execute(query).first()
            if row is None:
                return None
            return KeptRequest(row.request_hash, CallId(row.call_id), row.answer)

        return await self._reader.run(read)

    async def keep_answer(self, app_id: AppId, key_hash: str, answer: bytes) -> None:
        """See KeptRequests."""
        await self._writer.submit([(self._answer, (answer, app_id, key_hash))])


def _claim_statement(dialect: Dialect) -> Insert:
    statement = dialect_insert(once_request, dialect).values(
        {name: bindparam(name) for name in _CLAIM_NAMES[:-1]}
    )
    taken = statement.excluded
    # A key that is forgotten may not be removed yet.
    return statement.on_conflict_do_update(
        index_elements=[_columns.app_id, _columns.key_hash],
        set_={
            "request_hash": taken.request_hash,
            "call_id": taken.call_id,
            "answer": null(),
            "expires_at": taken.expires_at,
        },
        where=_columns.expires_at <= bindparam("now"),
    )


def _compile_answer(dialect: Dialect) -> Statement:
    statement = (
        update(once_request)
        .where(_columns.app_id == bindparam("key_app"), _columns.key_hash == bindparam("key_key"))
        .values(answer=bindparam("new_answer"))
    )
    names = ["new_answer", "key_app", "key_key"]
    return compile_statement(statement, dialect, names, rank=_ANSWER_RANK)
