"""What of requests the audit log is told: each that changes something, and each that
was refused for who asked."""

from collections.abc import Callable

import structlog

from clicktodial.accounts.audit import AuditEntry, AuditLog
from clicktodial.control.error import Overloaded
from clicktodial.storage.error import DatabaseUnavailable
from clicktodial.web.worker import Worker

log = structlog.get_logger()

# Whoever tries credentials must not fill the table: of what is refused, or asked by nobody known,
# so many are written at once and so many a second, on each node. The log has all of them.
BOUNDED_BURST = 100
BOUNDED_PER_SECOND = 5


class Auditor:
    """Writes to the audit log, and waits until it is written."""

    def __init__(
        self, audit_log: AuditLog, worker: Worker, monotonic_s: Callable[[], float]
    ) -> None:
        self._audit_log = audit_log
        self._worker = worker
        self._monotonic_s = monotonic_s
        self._room = float(BOUNDED_BURST)
        self._refilled_at_s = monotonic_s()

    async def note(self, entry: AuditEntry, *, is_bounded: bool) -> None:
        """Append; of what `is_bounded`, not too many. What was done stays done where it cannot be
        written; the log says so."""
        if is_bounded and not self._has_room():
            return
        try:
            await self._worker.run(lambda: self._audit_log.add([entry]))
        except (DatabaseUnavailable, Overloaded) as error:
            log.error(
                "audit.lost",
                operation=entry.operation,
                principal=entry.principal,
                outcome=entry.outcome,
                error=str(error),
            )

    def _has_room(self) -> bool:
        now_s = self._monotonic_s()
        gained = (now_s - self._refilled_at_s) * BOUNDED_PER_SECOND
        self._room = min(BOUNDED_BURST, self._room + gained)
        self._refilled_at_s = now_s
        if self._room < 1:
            return False
        self._room -= 1
        return True
