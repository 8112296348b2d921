"""`clicktodial config`: the settings that hold."""

from typing import Any

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import tell
from clicktodial.cli.session import read_settings

app = typer.Typer(no_args_is_help=True, help="Settings.")


# Without it the only command would take the place of its group.
@app.callback()
def group() -> None:
    """Settings."""


@app.command("show")
def show(*, config: Config = None, as_json: Json = False) -> None:
    """Show the settings that hold, from file and environment; secrets are hidden."""
    from clicktodial.composition.setting import hide_secrets

    tables = hide_secrets(read_settings(config))
    tell(tables, format_toml(tables), as_json=as_json)


def format_toml(tables: dict[str, dict[str, Any]]) -> str:
    """TOML that would be read as it stands, were it not for what is hidden."""
    import msgspec

    blocks = []
    for table, values in tables.items():
        lines = [f"[{table}]"]
        for key, value in values.items():
            # JSON's texts, numbers and lists are TOML's; it has no null.
            spelled = msgspec.json.encode(value).decode()
            lines.append(f"# {key} is not set" if value is None else f"{key} = {spelled}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
