"""Why a command could not do what it was asked."""

import typer
from typer.core import TyperGroup

# Where the group finds out whether to tell an error as JSON; click keeps it through a command.
JSON_KEY = "clicktodial.json"
EXIT_REFUSED = 1


class CommandError(Exception):
    """The message is one sentence for a person; `kind` is one word for a program."""

    def __init__(self, message: str, *, kind: str = "Refused") -> None:
        super().__init__(message)
        self.kind = kind


class ReportingGroup(TyperGroup):
    """Tells a CommandError in one line, or as JSON on standard output, and exits with 1."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override] # click's Context
        try:
            return super().invoke(ctx)
        except CommandError as error:
            _report(error, as_json=bool(ctx.meta.get(JSON_KEY)))
            raise typer.Exit(EXIT_REFUSED) from error


def _report(error: CommandError, *, as_json: bool) -> None:
    # A library's message may have several lines; the first says what is wrong.
    sentence = (str(error).strip() or error.kind).splitlines()[0]
    if not as_json:
        typer.echo(f"Error: {sentence}", err=True)
        return
    import msgspec

    answer = {"error": {"kind": error.kind, "message": sentence}}
    typer.echo(msgspec.json.encode(answer).decode())
