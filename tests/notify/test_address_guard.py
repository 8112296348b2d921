"""Which addresses notifications may go to."""

import asyncio
import socket
from functools import partial

import pytest
from aiohappyeyeballs import AddrInfoType

from clicktodial.notify.address_guard import (
    AddressForbidden,
    create_guarded_socket,
    is_public,
    resolve_guarded,
)
from clicktodial.notify.connection_pool import CannotConnect, ConnectionPool
from clicktodial.notify.format import NotificationRequest
from clicktodial.notify.sender import Sender, parse_url

FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::", "2002:c0a8:1::", "3fff::1", "5f00::1", "fc00::1",
    "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    "", "localhost", "1.2.3", "0x7f.0.0.1", "2130706433", "127.1", "1.1.1.1.1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1",
    "172.32.0.1", "11.0.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_public(address: str) -> None:
    assert is_public(address)


def test_socket_to_private_address_is_refused() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80))
    with pytest.raises(AddressForbidden):
        create_guarded_socket(info)


def test_socket_to_public_address_is_made() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("8.8.8.8", 80))
    with create_guarded_socket(info) as made:
        assert made.family is socket.AF_INET


class ScriptedNames:
    """Resolves a name to the next list of addresses each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int) -> list[AddrInfoType]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in self.answers.pop(0)
        ]


async def test_name_with_one_private_address_among_public_ones_is_refused() -> None:
    names = ScriptedNames(["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressForbidden):
        await resolve_guarded("deceit.example", 80, names.resolve)


async def test_name_that_turns_private_later_is_refused_when_it_does() -> None:
    names = ScriptedNames(["8.8.8.8"], ["127.0.0.1"])
    assert len(await resolve_guarded("rebind.example", 80, names.resolve)) == 1
    with pytest.raises(AddressForbidden):
        await resolve_guarded("rebind.example", 80, names.resolve)


async def test_connection_goes_to_the_address_that_was_checked() -> None:
    """DNS rebinding: public when checked, private when asked again."""
    connected: list[str] = []

    def refuse(info: AddrInfoType) -> socket.socket:
        connected.append(str(info[4][0]))
        raise ConnectionRefusedError("no network in tests")

    names = ScriptedNames(["8.8.8.8"], ["127.0.0.1"])
    pool = ConnectionPool(
        resolve=partial(resolve_guarded, resolve=names.resolve), create_socket=refuse
    )
    server, _ = parse_url("http://rebind.example/")
    deadline_s = asyncio.get_running_loop().time() + 5
    with pytest.raises(CannotConnect):
        await pool.post(server, b"", deadline_s)
    assert connected == ["8.8.8.8"]
    assert len(names.answers) == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1",
        "0x7f000001", "0177.0.0.1", "127.0.0.1.", "0.0.0.0", "[::]", "169.254.169.254", "①②⑦.0.0.1",
    ],
)  # fmt: skip
async def test_private_url_is_refused_without_connecting(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(0)
        sender = Sender(timeout_s=5)
        request = NotificationRequest(f"http://{host}:{port}/", (), b"{}")
        error = (await sender.send(request, (), allow_private_addresses=False)).error
        sender.close()
        assert error is not None
        with pytest.raises(BlockingIOError):
            listener.accept()
