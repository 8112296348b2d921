"""Stored secrets, and the key that they are sealed with."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.config import SecuritySettings, Settings, StorageSettings
from clicktodial.storage.error import MasterKeyInvalid, SecretUnreadable
from clicktodial.storage.secret import KEY_BYTES, SecretVault, load_master_key, secret_place

KEY = bytes(range(32))


@given(st.binary(max_size=300))
def test_sealed_secret_opens_in_its_place(secret: bytes) -> None:
    vault = SecretVault(KEY)
    assert vault.open(vault.seal(secret, "here"), "here") == secret


def test_sealing_twice_gives_different_bytes_without_the_secret() -> None:
    vault = SecretVault(KEY)
    first, second = vault.seal(b"open sesame", "here"), vault.seal(b"open sesame", "here")
    assert first != second
    assert b"sesame" not in first


def test_secret_copied_to_another_application_does_not_open() -> None:
    vault = SecretVault(KEY)
    sealed = vault.seal(b"secret", secret_place("one"))
    with pytest.raises(SecretUnreadable):
        vault.open(sealed, secret_place("two"))


def test_secret_of_another_key_does_not_open_and_says_so() -> None:
    sealed = SecretVault(KEY).seal(b"secret", "here")
    with pytest.raises(SecretUnreadable, match="another master key"):
        SecretVault(bytes(32)).open(sealed, "here")


@pytest.mark.parametrize("position", [0, 1, 5, 17, -1])
def test_changed_secret_does_not_open(position: int) -> None:
    vault = SecretVault(KEY)
    sealed = bytearray(vault.seal(b"secret", "here"))
    sealed[position] ^= 1
    with pytest.raises(SecretUnreadable):
        vault.open(bytes(sealed), "here")


@pytest.mark.parametrize("length", [0, 1, 5, 16, 20])
def test_truncated_secret_does_not_open(length: int) -> None:
    vault = SecretVault(KEY)
    with pytest.raises(SecretUnreadable):
        vault.open(vault.seal(b"secret", "here")[:length], "here")


def settings_in(path: Path, **security: str) -> Settings:
    return Settings(
        storage=StorageSettings(data_dir=str(path)), security=SecuritySettings(**security)
    )


def test_missing_key_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "new")
    key = load_master_key(settings)
    assert len(key) == KEY_BYTES
    assert load_master_key(settings) == key
    (path,) = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_key_file_made_by_several_at_once_is_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_master_key(settings), range(16)))
    assert len(keys) == 1


def test_key_of_the_settings_goes_before_the_file(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, master_key=base64.b64encode(KEY).decode())
    assert load_master_key(settings) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(b"x" * 31).decode()])
def test_unusable_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyInvalid):
        load_master_key(settings_in(tmp_path, master_key=text))
    (tmp_path / "key").write_text(text)
    with pytest.raises(MasterKeyInvalid):
        load_master_key(settings_in(tmp_path, key_file=str(tmp_path / "key")))


def test_unreachable_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MasterKeyInvalid):
        load_master_key(settings_in(tmp_path, key_file=str(tmp_path / "file" / "key")))
