"""Somebody of the enterprise and somebody of the operator's, who may log in to the web console."""

import secrets
from dataclasses import dataclass

import aiohttp
import msgspec

from clicktodial.sandbox.demo.child import run_command
from clicktodial.sandbox.demo.error import ChildError, PlatformError
from clicktodial.sandbox.demo.output import Output

# 16 characters, of which 15 are the least.
_PASSWORD_BYTES = 12
_TIMEOUT_S = 15.0


class _Invitation(msgspec.Struct):
    token: str


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody types to log in, and what they may do, in words."""

    account: str
    password: str
    about: str


async def create_people(output: Output, base_url: str, enterprise_id: str) -> list[Login]:
    """Invite both, and follow their links for them. Raises ChildError or PlatformError."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    wanted = (
        ("demo", ("--role", "owner", "--enterprise", enterprise_id), "owns the enterprise"),
        ("operator", ("--role", "operator"), "runs the platform"),
    )
    logins = []
    for account, options, about in wanted:
        answer = await run_command(
            *("user", "create", "--email", f"{account}@demo.example", "--account", account),
            *(*options, "--config", str(output.config), "--json"),
        )
        try:
            token = msgspec.json.decode(answer, type=_Invitation).token
        except msgspec.DecodeError as error:
            raise ChildError(f"user create answered {answer!r}") from error
        await _activate(base_url, token, password)
        logins.append(Login(account, password, about))
    return logins


async def _activate(base_url: str, token: str, password: str) -> None:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                f"{base_url}/management/v1/activations",
                json={"token": token, "password": password},
            ) as response,
        ):
            if response.status != 201:
                raise PlatformError(f"the activation was answered with {response.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PlatformError("the activation was not answered") from error
