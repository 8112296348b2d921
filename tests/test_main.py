"""The composition root: what it does itself, rather than what it composes."""

import threading
from pathlib import Path

import pytest

from clicktodial.config import (
    ConfigError,
    HttpSettings,
    Settings,
    SipSettings,
    StirSettings,
    StorageSettings,
)
from clicktodial.main import (
    create_signer,
    create_timers,
    open_node,
    own_data_dir,
    read_node_id,
)


def test_node_id_is_made_once_and_kept(tmp_path: Path) -> None:
    first = read_node_id(tmp_path)
    assert first
    assert read_node_id(tmp_path) == first


def test_data_directory_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    with (
        own_data_dir(tmp_path),
        pytest.raises(ConfigError, match="another node"),
        own_data_dir(tmp_path),
    ):
        raise AssertionError("both hold it")
    with own_data_dir(tmp_path):
        pass


async def test_node_that_cannot_listen_leaves_nothing_open(tmp_path: Path) -> None:
    async with open_node(create_settings(tmp_path / "first")) as node:
        taken = create_settings(tmp_path / "second", http_port=node.http_address[1])
        with pytest.raises(OSError, match="in use"):
            async with open_node(taken):
                raise AssertionError("it listens")
    assert not [each for each in threading.enumerate() if each.name.startswith("database")]


async def test_node_opens_closes_and_opens_again_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = create_settings(tmp_path)
    for _ in range(2):
        async with open_node(settings) as node:
            assert node.http_address[1] > 0
            assert node.sip_address[1] > 0
    assert "clicktodial ready" not in capsys.readouterr().out


def test_key_that_cannot_sign_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN nonsense-----")
    for key_file, told in ((path, "P-256|private key"), (tmp_path / "none", "No such file")):
        settings = StirSettings(key_file=str(key_file), certificate_url="https://x/c.pem")
        with pytest.raises(ConfigError, match=told) as caught:
            create_signer(settings)
        assert "BEGIN" not in str(caught.value)


def test_without_certificate_nothing_is_signed() -> None:
    assert create_signer(StirSettings()) is None


@pytest.mark.parametrize(("t1_s", "t2_s"), [(0.05, 0.4), (0.5, 4.0), (2.0, 4.0)])
def test_a_request_has_its_eleven_tries_however_short_the_round_trip(
    t1_s: float, t2_s: float
) -> None:
    timers = create_timers(t1_s)
    assert timers.t1_s == t1_s
    assert timers.t2_s == pytest.approx(t2_s)


def create_settings(directory: Path, *, http_port: int = 0) -> Settings:
    directory.mkdir(exist_ok=True)
    return Settings(
        http=HttpSettings(port=http_port),
        sip=SipSettings(port=0),
        storage=StorageSettings(data_dir=str(directory)),
    )
