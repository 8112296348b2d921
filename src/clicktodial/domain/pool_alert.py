"""Alerts of a pool of minutes: what an application is told when a threshold is passed."""

from dataclasses import dataclass
from datetime import datetime

from clicktodial.domain.identifier import AppId

# No call's identifier has a colon, so that lines of both kinds can stand side by side.
_LINE_PREFIX = "pool:"


@dataclass(frozen=True, slots=True)
class PoolAlert:
    """A share of an enterprise's minutes has been used; complete in itself.

    `seq` grows from alert to alert of an application, with gaps. `percent` is the threshold,
    `used_percent` what was used when that was noticed; both, and the seconds, of the packages
    that are valid at that time, overage left out.
    """

    app_id: AppId
    seq: int
    enterprise_id: str
    percent: int
    used_percent: int
    granted_s: int
    used_s: int
    occurred_at: datetime

    @property
    def line(self) -> str:
        """Alerts of one application are told one after the other."""
        return f"{_LINE_PREFIX}{self.app_id}"

    @property
    def left_s(self) -> int:
        return self.granted_s - self.used_s


def is_pool_line(line: str) -> bool:
    """Whether a line of events is one of alerts, and not a call's."""
    return line.startswith(_LINE_PREFIX)
