"""What a leg costs: set up and torn down, with everything that the engine does for it."""

import time

from tests.sip.support import (
    ANSWER_SDP,
    CALLED,
    PEER,
    SHOWN,
    Harness,
    create_agent,
    create_response,
)

from clicktodial.domain.media import MediaAddress, create_caller_offer
from clicktodial.sip.event import SessionAnswered
from clicktodial.sip.sdp import serialize_sdp
from clicktodial.sip.user_agent import Invitation

# The aim is 0.3 ms a leg on an idle core; the rest is room for a machine that does other things.
LEG_CPU_MAX_S = 0.0015
LEGS = 300


def run_leg(harness: Harness) -> float:
    """One leg in conversation and out again; returns the engine's CPU seconds, not the peer's."""
    agent, now = harness.agent, harness.now
    spent = 0.0

    def receive(data: bytes) -> list[bytes]:
        nonlocal spent
        started = time.thread_time()
        agent.receive(data, PEER, now)
        events = agent.take_events()
        datagrams = agent.take_messages()
        agent.next_deadline()
        spent += time.thread_time() - started
        told.extend(type(event) for _, event in events)
        return [sent for sent, _ in datagrams]

    told: list[type] = []
    started = time.thread_time()
    invitation = Invitation(
        request_uri=f"sip:{CALLED}@192.0.2.9;user=phone",
        to_uri=f"sip:{CALLED}@192.0.2.9;user=phone",
        from_uri=f"sip:{SHOWN}@192.0.2.9;user=phone",
        next_hop=PEER,
        sdp=serialize_sdp(create_caller_offer(MediaAddress("192.0.2.1", 20_000))),
        headers=(("P-Asserted-Identity", f"<sip:{SHOWN}@192.0.2.9;user=phone>"),),
    )
    session = agent.invite(invitation, now)
    [(request, _)] = agent.take_messages()
    spent += time.thread_time() - started
    receive(create_response(request, 100))
    receive(create_response(request, 180))
    receive(create_response(request, 200, sdp=ANSWER_SDP))
    assert SessionAnswered in told
    started = time.thread_time()
    session.hang_up(now)
    [(bye, _)] = agent.take_messages()
    spent += time.thread_time() - started
    receive(create_response(bye, 200))
    return spent


def test_leg_set_up_and_torn_down_costs_little_cpu() -> None:
    harness = Harness(create_agent())
    costs = []
    for _ in range(LEGS):
        costs.append(run_leg(harness))
        harness.advance(0.01)
    costs.sort()
    # The median: what else the machine does falls on single legs.
    assert costs[LEGS // 2] < LEG_CPU_MAX_S
