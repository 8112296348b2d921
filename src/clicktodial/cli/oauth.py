"""`clicktodial oauth`: the keys that access tokens are signed with."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_table, tell
from clicktodial.cli.session import open_oauth

app = typer.Typer(no_args_is_help=True, help="Access tokens.")


@app.command("keys")
def keys(*, config: Config = None, as_json: Json = False) -> None:
    """List the keys that verify access tokens; the one without an end signs."""
    _tell_keys(config, as_json=as_json)


@app.command("rotate-key")
def rotate_key(
    *,
    revoke_old: Annotated[
        bool,
        typer.Option("--revoke-old", help="Refuse every token that was given out so far."),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Sign with a new key; the old one verifies until its tokens have ended."""
    with open_oauth(config) as oauth:
        oauth.token_keys.rotate(datetime.now(UTC), revokes_old=revoke_old)
    _tell_keys(config, as_json=as_json)


def _tell_keys(config: Config, *, as_json: bool) -> None:
    with open_oauth(config) as oauth:
        found = oauth.token_keys.list_keys()
    answer = [
        {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "created_at": key.created_at,
            "verifies_until": key.verifies_until,
        }
        for key in found
    ]
    rows = [(key.kid, key.algorithm, key.created_at, key.verifies_until) for key in found]
    headings = ("KID", "ALGORITHM", "MADE (UTC)", "VERIFIES UNTIL (UTC)")
    tell(answer, format_table(headings, rows, empty="No token was given out yet."), as_json=as_json)
