"""`clicktodial config`: the settings that hold."""

from typing import TYPE_CHECKING, Any

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import tell
from clicktodial.cli.session import read_settings

if TYPE_CHECKING:
    from clicktodial.config import Settings

app = typer.Typer(no_args_is_help=True, help="Settings.")

HIDDEN = "[hidden]"
_SECRET_KEYS = frozenset({"master_key", "token", "password"})


# Without it the only command would take the place of its group.
@app.callback()
def group() -> None:
    """Settings."""


@app.command("show")
def show(*, config: Config = None, as_json: Json = False) -> None:
    """Show the settings that hold, from file and environment; secrets are hidden."""
    tables = hide_secrets(read_settings(config))
    tell(tables, format_toml(tables), as_json=as_json)


def hide_secrets(settings: "Settings") -> dict[str, dict[str, Any]]:
    """All tables; keys, tokens and the password of the database hidden."""
    import msgspec

    tables: dict[str, dict[str, Any]] = msgspec.to_builtins(settings)
    for values in tables.values():
        for key in _SECRET_KEYS & values.keys():
            if values[key] is not None:
                values[key] = HIDDEN
    tables["database"]["url"] = _hide_password(settings.database_url)
    return tables


def _hide_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{f':{HIDDEN}' if colon else ''}@{place}"


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
