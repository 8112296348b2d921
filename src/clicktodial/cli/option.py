"""Options and values that commands share."""

import re
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

import typer

from clicktodial.cli.error import JSON_KEY

# Ports are 16 bits wide.
PORT_MAX = 65_535
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\]")


class Address(NamedTuple):
    """Where something listens. `host` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`HOST:PORT` or `[IPV6]:PORT`; port 0 stands for any free one."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > PORT_MAX:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT")
    if in_brackets := _IPV6.fullmatch(host):
        return Address(in_brackets[1], int(port))
    if not _HOST.fullmatch(host):
        raise typer.BadParameter(f"{text!r} is not HOST:PORT; an IPv6 address is [ADDRESS]:PORT")
    return Address(host, int(port))


def parse_target(text: str) -> Address:
    """As `parse_address`; without a port, 0, which is no port to give."""
    if ":" not in text or text.endswith("]"):
        return parse_address(f"{text}:0")
    address = parse_address(text)
    if address.port == 0:
        raise typer.BadParameter("the port must be between 1 and 65535")
    return address


def remember_json(context: typer.Context, as_json: bool) -> bool:
    """Let an error, wherever it comes from, be told as JSON too."""
    context.meta[JSON_KEY] = as_json
    return as_json


Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="CLICKTODIAL_CONFIG", metavar="FILE", help="The settings, in TOML."
    ),
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json", callback=remember_json, is_eager=True, help="Answer in JSON, errors too."
    ),
]
AppId: TypeAlias = Annotated[str, typer.Argument(metavar="APP_ID", help="The APPID.")]
CallIdArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="CALL_ID", help="The callidentifier.")
]
