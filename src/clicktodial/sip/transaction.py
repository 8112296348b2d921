"""The four transactions of RFC 3261 17, with the Accepted states of RFC 6026.

Theory of operation. A transaction is fed messages, commands and timeouts; per kind there is one
table `{(state, input): handler}`, and what it does not name is absorbed: over UDP everything may
arrive twice, late, or after the end. Handlers send through the context, arm the transaction's
one deadline (the earlier of its retransmission and its end), and tell a client's user.

    client INVITE                               server INVITE
    CALLING --1xx--> PROCEEDING                 PROCEEDING --2xx sent--> ACCEPTED -L->
      |  A: again      |   |                      |  again: last 1xx       absorbs INVITE
      |                |   +--2xx--> ACCEPTED     +--3-6xx sent--> COMPLETED --ACK--> CONFIRMED -I->
      |                |              M           |                  G: again, H: give up
      |                +--3-6xx--> COMPLETED
      |                              D
      +--B, or nothing within 64*T1 after CANCEL--> ABANDONED (64*T1)

    client non-INVITE                           server non-INVITE
    TRYING -1xx-> PROCEEDING -final-> COMPLETED  TRYING -final-> COMPLETED
      E: again      E: again, T2       K                          J; again: same response

ABANDONED is ours: the user was told that nobody answers, and the transaction stays for as long
as a late response may come, so that a late 1xx is cancelled and a late 200 acknowledged and
hung up, rather than leaving a phone to ring or a line open.

A transaction that only lingers keeps no request, body or session.

Over TCP and TLS nothing is sent again (A, E and G are silent) and what only waits for repetitions
is over at once (D, I, J and K are 0). L and M stay: a 2xx and its ACK are repeated end to end.
"""

from enum import Enum, auto


class State(Enum):
    """Where a transaction stands."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ABANDONED = auto()
    TERMINATED = auto()


class Input(Enum):
    """What a response or request is to a transaction."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    RETRANSMISSION = auto()
    ACK = auto()
    TIMEOUT = auto()


def input_of_status(status: int) -> Input:
    """1xx, 2xx or the rest."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE
