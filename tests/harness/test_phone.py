import pytest
from tests.harness.phone import Phone


class OfferedFirst:
    """Takes the first so many ports that it is asked about, and no others, for foreign."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.refused: list[object] = []

    def __contains__(self, port: object) -> bool:
        if len(self.refused) < self._count:
            self.refused.append(port)
        return port in self.refused


async def test_phone_binds_no_port_of_others() -> None:
    foreign = OfferedFirst(3)
    phone = await Phone(("127.0.0.1", 5060), number="861", foreign_ports=foreign).start()
    try:
        assert len(foreign.refused) == 3
        assert phone.sip_address[1] not in foreign.refused
        assert phone.rtp_address[1] not in foreign.refused
    finally:
        await phone.close()


async def test_phone_gives_up_where_all_ports_are_of_others() -> None:
    phone = Phone(("127.0.0.1", 5060), number="861", foreign_ports=range(1, 65_536))
    with pytest.raises(OSError, match="another's"):
        await phone.start()
