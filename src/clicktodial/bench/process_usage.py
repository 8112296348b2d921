"""What processes cost, as the operating system counts it (Linux, /proc).

The sum of user and system time of a process is exact to the tick, whatever the kernel's way of
dividing the two; how it is divided is the kernel's estimate on most machines.
"""

import os
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
# glibc gives each further thread's malloc an arena whose heaps lie at multiples of this.
_THREAD_ARENA_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Stat:
    pid: int
    parent_pid: int
    session_id: int
    user_s: float
    system_s: float


def find_processes(root_pid: int) -> list[int]:
    """The process, its descendants, and all others of the session that it leads."""
    stats = [stat for stat in map(_read_stat, _all_pids()) if stat is not None]
    children: dict[int, list[int]] = defaultdict(list)
    for stat in stats:
        children[stat.parent_pid].append(stat.pid)
    found: dict[int, None] = {}
    left = [root_pid, *(stat.pid for stat in stats if stat.session_id == root_pid)]
    while left:
        pid = left.pop()
        if pid not in found:
            found[pid] = None
            left.extend(children[pid])
    return list(found)


def cpu_time_s(pids: Collection[int]) -> tuple[float, float]:
    """User and system seconds of these processes and of those of their children that ended."""
    stats = [stat for stat in map(_read_stat, pids) if stat is not None]
    return sum(stat.user_s for stat in stats), sum(stat.system_s for stat in stats)


def run_time_s(pid: int) -> float:
    """Seconds that the threads which a process has now were on a CPU, to the nanosecond
    (/proc/PID/schedstat); what threads took that ended is not in it."""
    total_ns = 0
    for task in (_PROC / str(pid) / "task").iterdir():
        try:
            total_ns += int((task / "schedstat").read_text().split()[0])
        except OSError:  # it has ended
            continue
    return total_ns / 1e9


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]


def _read_stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:  # it has ended
        return None
    # The program's name may hold blanks and brackets; what follows its last bracket may not.
    fields = text.rpartition(")")[2].split()
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    user, system, children_user, children_system = (int(value) for value in fields[11:15])
    return _Stat(
        pid=pid,
        parent_pid=int(fields[1]),
        session_id=int(fields[3]),
        user_s=(user + children_user) / ticks_per_s,
        system_s=(system + children_system) / ticks_per_s,
    )


@dataclass(slots=True)
class MemoryUse:
    """Memory of some processes, in KB of 1024 bytes; pages shared with others count in parts.

    `thread_arenas_kb` is what C code of threads other than the first allocated (a relay inside
    the process, a database writer); it is told by where glibc puts it, so take it as a guide.
    """

    total_kb: int = 0
    heap_kb: int = 0
    thread_arenas_kb: int = 0
    anonymous_kb: int = 0
    files_kb: int = 0
    descriptors: int = 0


@dataclass(slots=True)
class _Mapping:
    start: int
    name: str
    pss_kb: int = field(default=0)


def memory_use(pids: Collection[int]) -> MemoryUse:
    """The proportional set size of these processes and where it lies."""
    use = MemoryUse()
    for pid in pids:
        try:
            text = (_PROC / str(pid) / "smaps").read_text()
            use.descriptors += len(os.listdir(_PROC / str(pid) / "fd"))
        except OSError:  # it has ended
            continue
        for mapping in parse_smaps(text):
            _count(mapping, use)
    return use


def _count(mapping: _Mapping, use: MemoryUse) -> None:
    use.total_kb += mapping.pss_kb
    if mapping.name == "[heap]":
        use.heap_kb += mapping.pss_kb
    elif mapping.name.startswith("/"):
        use.files_kb += mapping.pss_kb
    elif mapping.start % _THREAD_ARENA_BYTES == 0:
        use.thread_arenas_kb += mapping.pss_kb
    else:
        use.anonymous_kb += mapping.pss_kb


def parse_smaps(text: str) -> list[_Mapping]:
    """The mappings of a /proc/PID/smaps with their proportional sizes."""
    mappings: list[_Mapping] = []
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if not key.endswith(":"):
            fields = line.split(maxsplit=5)
            name = fields[5] if len(fields) > 5 else ""
            mappings.append(_Mapping(int(key.partition("-")[0], 16), name))
        elif key == "Pss:":
            mappings[-1].pss_kb = int(rest.split()[0])
    return mappings


def peak_resident_kb(pids: Collection[int]) -> int:
    """The sum of the processes' highest resident sizes, in KB."""
    return sum(_status_kb(pid, "VmHWM:") for pid in pids)


def _status_kb(pid: int, key: str) -> int:
    try:
        text = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def busy_time_s(cpu: int) -> float:
    """Seconds that the numbered CPU has worked since boot, for whomever."""
    for line in (_PROC / "stat").read_text().splitlines():
        name, *values = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, values[:8])
            ticks = user + nice + system + irq + softirq + steal
            return ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def is_udp_port_bound(port: int) -> bool:
    """Whether some socket of this machine is bound to the IPv4 UDP port."""
    lines = (_PROC / "net" / "udp").read_text().splitlines()[1:]
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in lines)
