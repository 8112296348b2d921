"""The live wall: what the platform carries now, for a screen on a wall and for a phone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clicktodial.accounts.traffic import Carried, UnderWay, add_up
from clicktodial.control.port import TrunkState
from clicktodial.domain.call import CallState
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation.role import OPERATOR
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark
from clicktodial.storage.administration import TrunkDetail

# What fits a screen; the rest is told as a number.
LINES_MAX = 8
# Rates are of the last minutes that are over: a single one jumps.
RATE_MINUTES = 5
# In the order in which a call goes through them; the others are told where a call is in them.
STATES = tuple(state for state in CallState if state is not CallState.ENDED)
USUAL_STATES = frozenset({CallState.CALLING_CALLER, CallState.CALLING_CALLEE, CallState.CONNECTED})


@dataclass(frozen=True, slots=True)
class Line:
    """A bar: of what, how much, and of how much at most where there is a bound."""

    name: str
    count: int
    most: int = 0
    tone: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that the wall shows, read together."""

    live: UnderWay
    minutes: Sequence[Carried]
    trunks: Sequence[tuple[TrunkDetail, TrunkState]]
    names: Mapping[str, str]


class WallPages:
    """GET /wall"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show(self, visit: Visit) -> Answer:
        """The page within the console, or, with `screen`, alone and large."""
        needs = self._needs

        def read() -> _Seen:
            trunks = needs.administration.list_trunks()
            live = needs.traffic.under_way()
            most = [key for key, _ in live.by_enterprise.most_common(LINES_MAX)]
            return _Seen(
                live=live,
                minutes=needs.traffic.last_minutes(visit.now),
                trunks=[(each, needs.monitor.state(each.trunk)) for each in trunks],
                names=needs.administration.name_enterprises(most),
            )

        seen = await needs.worker.run(read)
        template = "operation/screen.html" if visit.query.get("screen") else "operation/wall.html"
        return View(template, {**_context(visit, seen), "at": visit.now})

    async def watch(self, visit: Visit) -> Watch:
        """What lives, and what began within the last minutes."""
        traffic, utc = self._needs.traffic, self._needs.utc

        def ask() -> object:
            live, minutes = traffic.under_way(), traffic.last_minutes(utc())
            return live, minutes

        return Watch(("wall",), ask)

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="wall",
                path="/wall",
                title=mark("Live wall"),
                roles=OPERATOR,
                show=self.show,
                nav=Nav(Section.SYSTEM, 10, "activity"),
                watch=self.watch,
            )
        ]


def _context(visit: Visit, seen: _Seen) -> Mapping[str, Any]:
    over = add_up(seen.minutes[-1 - RATE_MINUTES : -1])
    local = visit.local
    used = [pair for pair in seen.trunks if pair[0].enabled or pair[1].channels]
    return {
        "live": seen.live.count,
        "begun_rate": over.begun / RATE_MINUTES,
        "connected_rate": over.connected / RATE_MINUTES,
        "failed_rate": over.failed / RATE_MINUTES,
        "ratio": over.answer_seizure_ratio,
        "minutes": seen.minutes,
        "bars": [(local.time(each.at, "short"), each.begun) for each in seen.minutes],
        "states": [
            (state, seen.live.by_state[state])
            for state in STATES
            if state in USUAL_STATES or seen.live.by_state[state]
        ],
        "trunks": [_trunk_line(*pair) for pair in used[:LINES_MAX]],
        "trunk_count": len(used),
        "enterprises": _top(seen.live.by_enterprise, seen.names),
        "enterprise_count": len(seen.live.by_enterprise),
    }


def _trunk_line(detail: TrunkDetail, state: TrunkState) -> Line:
    tone = "bad" if state.is_down else "warn" if state.is_resting or not detail.enabled else ""
    return Line(detail.trunk.name, state.channels, detail.trunk.channels_max, tone)


def _top(counts: Counter[str], names: Mapping[str, str]) -> list[Line]:
    return [Line(names.get(key, key), count) for key, count in counts.most_common(LINES_MAX)]
