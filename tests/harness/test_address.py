import itertools

import pytest
from tests.harness import address
from tests.harness.address import allocate_hosts


def test_host_is_not_given_twice() -> None:
    taken = list(itertools.islice(allocate_hosts(process_id=7), 5_000))
    assert len(set(taken)) == len(taken)


def test_processes_side_by_side_have_hosts_of_their_own() -> None:
    taken = [
        host
        for process_id in range(1_000, 1_020)
        for host in itertools.islice(allocate_hosts(process_id), 2_000)
    ]
    assert len(set(taken)) == len(taken)


def test_all_slices_are_used_before_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of four million hosts, one of each slice.
    monkeypatch.setattr(address, "_HOSTS_PER_SLICE", range(1, 2))
    hosts = list(address.allocate_hosts(process_id=123_456))
    assert len(set(hosts)) == len(hosts) == 64 * 256
    assert all(64 <= int(host.split(".")[1]) < 128 for host in hosts)
