"""Trunks: the SIP peers through which legs leave."""

from dataclasses import dataclass
from enum import StrEnum


class Transport(StrEnum):
    """How a trunk is reached."""

    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Trunk:
    """One SIP peer. A lower `priority` is tried first; equal ones in the order of their names.

    `domain` is the host part of the request URI and of our identity there; it defaults to the
    trunk's own host. `answer_timeout_s` bounds the wait for any response at all before the next
    trunk is tried.
    """

    name: str
    host: str
    port: int
    transport: Transport = Transport.UDP
    priority: int = 100
    domain: str | None = None
    answer_timeout_s: int = 4
