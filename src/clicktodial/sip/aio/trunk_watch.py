"""Keeps registrations with trunks, and an eye on whether trunks are there.

What it finds goes to TrunkStates, where legs are placed by it. Each trunk has a keeper or two,
which wrap a machine without I/O (registration.py, trunk_health.py) in one timer and the requests
that it wants sent; a trunk that is changed in what its keeper knows of it gets a new one.
"""

import asyncio
import random as random_module
from collections.abc import Callable, Sequence
from typing import TypeAlias

import structlog

from clicktodial.domain.trunk import Trunk
from clicktodial.sip.aio.endpoint import SipEndpoint
from clicktodial.sip.client_request import ClientRequest
from clicktodial.sip.message import SipMessage, printable_phrase
from clicktodial.sip.registration import (
    Due,
    Refused,
    Registration,
    RegistrationInput,
    RegistrationState,
    Silent,
    Start,
    Stop,
    TooBrief,
    create_register,
    read_answer,
)
from clicktodial.sip.trunk_health import HealthState, TrunkHealth, create_options
from clicktodial.sip.trunk_selection import TrunkStates
from clicktodial.sip.user_agent import Hop

log = structlog.get_logger()

Resolve: TypeAlias = Callable[[Trunk, Callable[[list[Hop]], None]], None]
_Key: TypeAlias = tuple[object, ...]

# A registrar that is not there does not keep the program from ending; its bindings run out.
UNREGISTER_TIMEOUT_S = 2.0


class TrunkWatch:
    """All keepers. `start`, `refresh` whenever trunks changed, then `close`."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        trunks: Callable[[], Sequence[Trunk]],
        states: TrunkStates,
        resolve: Resolve,
        random: random_module.Random | None = None,
    ) -> None:
        """`resolve` finds where a trunk is. `random` spreads what is sent over time."""
        self._endpoint = endpoint
        self._trunks = trunks
        self._states = states
        self._resolve = resolve
        self._random = random or random_module.Random()
        self._registrations: dict[str, _RegistrationKeeper] = {}
        self._health: dict[str, _HealthKeeper] = {}
        self._leaving: set[_RegistrationKeeper] = set()
        self._is_closing = False

    @property
    def down_count(self) -> int:
        """Trunks that do not answer."""
        return sum(keeper.is_down for keeper in self._health.values())

    @property
    def unregistered_count(self) -> int:
        """Trunks that we should be registered with and are not."""
        return sum(not keeper.is_registered for keeper in self._registrations.values())

    def start(self) -> None:
        """Register, and begin to ask."""
        self.refresh()

    def refresh(self) -> None:
        """Take up what has changed of the trunks."""
        if self._is_closing:
            return
        trunks = self._trunks()
        self._refresh_registrations([trunk for trunk in trunks if trunk.registers])
        self._refresh_health([trunk for trunk in trunks if trunk.options_interval_s])

    async def close(self) -> None:
        """Take the registrations back, waiting for UNREGISTER_TIMEOUT_S at most."""
        self._is_closing = True
        self._refresh_health([])
        self._refresh_registrations([])
        waits = [asyncio.create_task(keeper.wait_stopped()) for keeper in self._leaving]
        if waits:
            _, pending = await asyncio.wait(waits, timeout=UNREGISTER_TIMEOUT_S)
            for wait in pending:
                wait.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for keeper in self._leaving:
            keeper.close()
        self._leaving.clear()

    # For keepers

    @property
    def endpoint(self) -> SipEndpoint:
        """Where requests leave."""
        return self._endpoint

    @property
    def states(self) -> TrunkStates:
        """What is told of trunks."""
        return self._states

    @property
    def random(self) -> random_module.Random:
        """Chance."""
        return self._random

    def resolve(self, trunk: Trunk, on_hops: Callable[[list[Hop]], None]) -> None:
        """Find where the trunk is, now or later."""
        self._resolve(trunk, on_hops)

    def on_stopped(self, keeper: "_RegistrationKeeper") -> None:
        """That registration is over; one in its place may begin."""
        self._leaving.discard(keeper)
        asyncio.get_running_loop().call_soon(self.refresh)

    def _refresh_registrations(self, trunks: Sequence[Trunk]) -> None:
        wanted = {trunk.name: (trunk, _registration_key(trunk)) for trunk in trunks}
        for name, keeper in list(self._registrations.items()):
            if name not in wanted or keeper.key != wanted[name][1]:
                del self._registrations[name]
                self._states.set_registered(name, registered=True)
                self._leaving.add(keeper)
                keeper.stop()
        # Taking back the binding of one would end that of its successor at the same registrar.
        leaving = {keeper.place for keeper in self._leaving}
        for name, (trunk, key) in wanted.items():
            if name not in self._registrations and _place(trunk) not in leaving:
                self._registrations[name] = keeper = _RegistrationKeeper(self, trunk, key)
                keeper.apply(Start())

    def _refresh_health(self, trunks: Sequence[Trunk]) -> None:
        wanted = {trunk.name: (trunk, _health_key(trunk)) for trunk in trunks}
        for name, keeper in list(self._health.items()):
            if name not in wanted or keeper.key != wanted[name][1]:
                del self._health[name]
                keeper.close()
                self._states.set_down(name, down=False)
        for name, (trunk, key) in wanted.items():
            if name not in self._health:
                self._health[name] = _HealthKeeper(self, trunk, key)


def _registration_key(trunk: Trunk) -> _Key:
    """What of a trunk makes another registration of it."""
    return (*_place(trunk), trunk.credentials, trunk.registration_expires_s)


def _health_key(trunk: Trunk) -> _Key:
    """The same of what it is asked."""
    return (*_place(trunk), trunk.options_interval_s, trunk.answer_timeout_s, trunk.credentials)


def _place(trunk: Trunk) -> _Key:
    return (trunk.host, trunk.port, trunk.transport, trunk.domain)


class _Timer:
    """One deadline on the loop."""

    def __init__(self, on_due: Callable[[float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_due = on_due
        self._handle: asyncio.TimerHandle | None = None

    @property
    def now(self) -> float:
        return self._loop.time()

    def arm(self, at: float | None) -> None:
        """Set the deadline, or take it away."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if at is not None:
            self._handle = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._on_due(self.now)


class _RegistrationKeeper:
    """One trunk's registration."""

    def __init__(self, watch: TrunkWatch, trunk: Trunk, key: _Key) -> None:
        self.key = key
        self._watch = watch
        self._trunk = trunk
        self._machine = Registration(trunk.registration_expires_s, watch.random)
        self._timer = _Timer(self._on_due)
        self._call_id = ""
        self._cseq = 0
        self._was_registered: bool | None = None
        self._is_current = True
        self._stopped = asyncio.Event()

    @property
    def place(self) -> _Key:
        return _place(self._trunk)

    @property
    def is_registered(self) -> bool:
        return self._machine.is_registered(self._timer.now)

    def apply(self, what: RegistrationInput) -> None:
        """Feed the machine, and do what it says."""
        if isinstance(what, (Refused, TooBrief, Silent)):
            log.warning(
                "sip.registration_refused",
                trunk=self._trunk.name,
                sip_status=getattr(what, "status", None),
                answer=type(what).__name__,
            )
        expires_s = self._machine.process(what, self._timer.now)
        self._arm()
        self._tell()
        if expires_s is not None:
            self._watch.resolve(self._trunk, lambda hops: self._send(hops, expires_s))
        if self._machine.state is RegistrationState.STOPPED:
            self._stopped.set()
            self._watch.on_stopped(self)

    def stop(self) -> None:
        """Take it back; what it finds from now on is nobody's business."""
        self._is_current = False
        self.apply(Stop())

    async def wait_stopped(self) -> None:
        """Return when the registrar has answered, or will not."""
        await self._stopped.wait()

    def close(self) -> None:
        """Forget it, whatever is under way."""
        self._timer.arm(None)

    def _arm(self) -> None:
        """For what is to be done next, or for the end of what was granted, which is to be told."""
        until = self._machine.registered_until
        ends = [until] if self._machine.is_registered(self._timer.now) else []
        due = [] if self._machine.deadline is None else [self._machine.deadline]
        self._timer.arm(min(due + ends, default=None))

    def _on_due(self, now: float) -> None:
        deadline = self._machine.deadline
        if deadline is not None and deadline <= now:
            self.apply(Due())
        else:
            self._tell()
            self._arm()

    def _send(self, hops: list[Hop], expires_s: int) -> None:
        if not hops:
            self.apply(Silent())
            return
        hop = hops[0]
        self._cseq += 1
        request = create_register(
            self._trunk, hop, expires_s, call_id=self._call_id, cseq=self._cseq
        )
        sent = self._watch.endpoint.request(
            request, lambda response: self._on_answer(sent, hop, response, expires_s)
        )
        self._call_id = sent.call_id

    def _on_answer(
        self, sent: ClientRequest, hop: Hop, response: SipMessage | None, asked_s: int
    ) -> None:
        if response is None:
            self._watch.states.note_hop_silence(hop)  # another of its hosts is asked next
        self._cseq = sent.cseq
        self.apply(read_answer(response, sent.contact_uri, asked_s))

    def _tell(self) -> None:
        """Let legs and people know where that changed."""
        registered = self.is_registered
        if not self._is_current or registered is self._was_registered:
            return
        if registered:
            log.info("sip.registered", trunk=self._trunk.name)
        elif self._was_registered:
            log.warning("sip.registration_lost", trunk=self._trunk.name)
        self._was_registered = registered
        self._watch.states.set_registered(self._trunk.name, registered=registered)


class _HealthKeeper:
    """One trunk's health."""

    def __init__(self, watch: TrunkWatch, trunk: Trunk, key: _Key) -> None:
        self.key = key
        self._watch = watch
        self._trunk = trunk
        self._timer = _Timer(self._on_due)
        # Trunks that were added together are not asked together.
        first_after_s = watch.random.uniform(0, trunk.options_interval_s)
        self._machine = TrunkHealth(
            interval_s=trunk.options_interval_s,
            timeout_s=trunk.answer_timeout_s,
            first_at=self._timer.now + first_after_s,
        )
        self._round = 0
        self._was_down = False
        self._timer.arm(self._machine.deadline)

    @property
    def is_down(self) -> bool:
        return self._machine.state is HealthState.DOWN

    def close(self) -> None:
        """Ask no more, and listen to no answer."""
        self._round += 1
        self._timer.arm(None)

    def _on_due(self, now: float) -> None:
        if self._machine.handle_timeout(now):
            self._round += 1
            round_ = self._round
            self._watch.resolve(self._trunk, lambda hops: self._send(hops, round_))
        self._settle("no answer")

    def _send(self, hops: list[Hop], round_: int) -> None:
        if round_ != self._round:
            return  # the name was found too late
        if not hops:
            self._on_answer(None, round_)
            return
        self._watch.endpoint.request(
            create_options(self._trunk, hops[0]),
            lambda response: self._on_request_end(hops[0], response, round_),
        )

    def _on_request_end(self, hop: Hop, response: SipMessage | None, round_: int) -> None:
        if response is None:
            self._watch.states.note_hop_silence(hop)  # another of its hosts is asked next
        self._on_answer(response, round_)

    def _on_answer(self, response: SipMessage | None, round_: int) -> None:
        if round_ != self._round:
            return
        self._machine.handle_answer(response, self._timer.now)
        phrase = "no answer" if response is None else printable_phrase(response.phrase)
        self._settle(phrase)

    def _settle(self, detail: str) -> None:
        """Arm the timer, and let legs and people know where that changed."""
        self._timer.arm(self._machine.deadline)
        down = self.is_down
        if down is self._was_down:
            return
        self._was_down = down
        if down:
            log.warning("sip.trunk_down", trunk=self._trunk.name, detail=detail)
        else:
            log.info("sip.trunk_up", trunk=self._trunk.name)
        self._watch.states.set_down(self._trunk.name, down=down)
