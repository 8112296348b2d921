"""The composition root: what it does itself, rather than what it composes."""

import threading
from pathlib import Path

import pytest

from clicktodial.config import (
    ConfigError,
    HttpSettings,
    Settings,
    SipSettings,
    StorageSettings,
)
from clicktodial.main import (
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


def create_settings(directory: Path, *, http_port: int = 0) -> Settings:
    directory.mkdir(exist_ok=True)
    return Settings(
        http=HttpSettings(port=http_port),
        sip=SipSettings(port=0),
        storage=StorageSettings(data_dir=str(directory)),
    )
