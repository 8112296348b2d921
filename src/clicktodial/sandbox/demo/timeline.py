"""The call as it happens, in the terminal: one line an event, with the time since the request.

In a terminal it is coloured; anywhere else the same lines are plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from clicktodial.sandbox.demo.evidence import Check, Scenario
from clicktodial.sandbox.demo.journal import Entry

_ACTOR_CHARACTERS = 12
_DETAIL_GAP = 2
_STYLES = {
    "platform": "cyan",
    "caller": "bright_blue",
    "callee": "dark_orange",
    "application": "magenta",
    "api": "green",
}


@dataclass(frozen=True, slots=True)
class _Line:
    actor: str
    said: str


class Timeline:
    """Writes to a console."""

    def __init__(self, console: Console, scenario: Scenario) -> None:
        self._console = console
        self._scenario = scenario
        self._began_at: datetime | None = None

    def heading(self, title: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    def note(self, actor: str, said: str) -> None:
        """Something without a time."""
        self._write(_Line(actor, said), "")

    def begin(self, at: datetime) -> None:
        """Times count from here."""
        self._began_at = at

    def step(self, actor: str, said: str) -> None:
        """Something that this process does, now."""
        self._write(_Line(actor, said), self._elapsed(datetime.now(UTC)))

    def tell(self, entry: Entry) -> None:
        """What another process told, where a spectator wants to know of it."""
        line = self._describe(entry)
        if line is not None:
            self._write(line, self._elapsed(entry.at))

    def paste(self, command: str) -> None:
        """A command, to be copied as it stands."""
        for line in command.splitlines():
            self._console.print(Text(f"  {line}", style="dim"), soft_wrap=True)

    def checks(self, checks: Sequence[Check]) -> None:
        """What was checked."""
        for check in checks:
            mark, style = ("✓", "bold green") if check.holds else ("✗", "bold red")
            line = Text.assemble((f"  {mark} ", style), check.claim)
            # Beside the claim where both fit, or a small terminal would not hold the summary.
            fits = line.cell_len + len(check.detail) + _DETAIL_GAP <= self._console.width
            line.append(" " * _DETAIL_GAP if fits else "\n      ")
            line.append(check.detail, style="dim")
            self._console.print(line, soft_wrap=True)

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values, in two columns."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._console.print(f"  {name:<{width}}  {value}", soft_wrap=True, markup=False)

    def _elapsed(self, at: datetime) -> str:
        if self._began_at is None:
            return ""
        return f"{(at - self._began_at).total_seconds():.3f} s"

    def _write(self, line: _Line, elapsed: str) -> None:
        text = Text.assemble(
            (f"{elapsed:>10}  ", "dim"),
            (f"{line.actor:<{_ACTOR_CHARACTERS}}", _STYLES.get(line.actor, "")),
            line.said,
        )
        self._console.print(text, soft_wrap=True)

    def _describe(self, entry: Entry) -> _Line | None:
        if entry.source == "application server":
            return self._describe_notification(entry)
        actor = self._actor(str(entry.fields.get("phone", "")))
        said = _describe_phone(entry)
        return _Line(actor, said) if said else None

    def _actor(self, number: str) -> str:
        roles = {self._scenario.caller: "caller", self._scenario.callee: "callee"}
        return roles.get(number, f"phone …{number[-2:]}")

    def _describe_notification(self, entry: Entry) -> _Line | None:
        if entry.event == "rejected":
            return _Line("application", f"refuses a notification: {entry.fields.get('reason')}")
        if entry.event != "notification":
            return None
        told = entry.fields["notification"]
        more = [
            f"{key} {told[key]}"
            for key in ("reason", "callDuration", "recordingResult")
            if key in told
        ]
        return _Line("application", " · ".join([f"is told: {told.get('status')}", *more]))


def _describe_phone(entry: Entry) -> str | None:
    fields = entry.fields
    match entry.event:
        case "ringing":
            return f"rings, and shows {fields['shown']}"
        case "announcing":
            return "is announced before the answer"
        case "answered":
            return f"answers, speaks {fields['codec']}"
        case "refused":
            return f"refuses: {fields['status']} {fields['text']}"
        case "pressed":
            return f"presses {fields['key']}"
        case "hears":
            return f"hears the melody {fields['melody']}"
        case "ended":
            by = "hangs up" if fields["by"] == "phone" else "is hung up"
            return by if fields["answered"] else "stops ringing"
        case _:
            return None
