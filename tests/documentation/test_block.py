"""Every code block of README and docs is executed, or says why it cannot be."""

import ast
import asyncio
import importlib
import json
import logging
import re
import shlex
import textwrap
import time
import tomllib
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import yaml
from jinja2 import Environment, StrictUndefined
from tests.documentation.block import Block, pages, read_blocks
from tests.documentation.preparation import PREPARATIONS
from tests.documentation.proxy import create_listed_application, open_proxy
from tests.documentation.reference import OPERATIONS, read_document, render_operations
from tests.documentation.shell import BlockFailed, Session, open_commands
from tests.documentation.world import (
    APP_ID,
    SECRET,
    SPONSOR,
    TOKEN,
    World,
    application_arguments,
    open_world,
)
from tests.harness.database import FILE_NAME, place_database

from clicktodial.config import Settings

log = logging.getLogger(__name__)

BLOCKS = [block for page in pages() for block in read_blocks(page)]
SHELL = "sh"
LANGUAGES = {SHELL, "json", "toml", "python", "yaml", "html", "text", "nginx", "sql"}
# Blocks that nothing executes are to stay few: each is a promise that nobody checks.
NOT_RUN_MAX = 12
# They say themselves how the server comes by a trunk.
_WITHOUT_TRUNK = {"README.md", "docs/tutorial.md", "docs/sandbox.md"}
# It ends with rules under which nobody may be called.
_LAST = "docs/management-api.md"
# Some twenty seconds; a busy machine is late.
_READING_TIMEOUT_S = 300
_EVENT_TIMEOUT_S = 30.0


def of_language(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.is_run]


def test_each_block_has_a_language_that_is_executed() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    left_out = [block for block in BLOCKS if not block.is_run]
    assert len(left_out) <= NOT_RUN_MAX, [str(block) for block in left_out]
    assert all(block.told("not run")[0] for block in left_out)


def test_each_text_block_says_what_shows_it() -> None:
    texts = of_language("text")
    kinds = ("shown by", "output")
    assert [str(block) for block in texts if not any(map(block.told, kinds))] == []


@pytest.mark.parametrize("block", of_language("toml"), ids=str)
def test_toml_block_is_a_settings_file(block: Block, tmp_path: Path) -> None:
    """Values are as the settings want them; files that a block names need not be here."""
    path = tmp_path / "clicktodial.toml"
    path.write_text(block.text, encoding="utf-8")
    msgspec.convert(tomllib.loads(block.text), Settings, strict=True)


@pytest.mark.parametrize("block", of_language("python"), ids=str)
def test_python_block_compiles(block: Block) -> None:
    """A fragment may await, and return, as within the function that it is a part of."""
    source = block.text
    if block.told("fragment"):
        source = f"async def fragment():\n{textwrap.indent(source, '    ')}"
    ast.parse(source)


@pytest.mark.parametrize("block", of_language("yaml"), ids=str)
def test_yaml_block_is_read(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", of_language("html"), ids=str)
def test_html_block_is_a_template_with_the_block_that_it_asks_for(block: Block) -> None:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(block.text)
    page = template.render(link=lambda name: f"/console/{name}")
    for target in re.findall(r'hx-target="#(\w+)"', page):
        assert f'id="{target}"' in page
        assert target in template.blocks


# The shell


def shell_pages() -> list[tuple[str, list[Block]]]:
    """Pages with shell or JSON blocks that are run; those first that need no server."""
    by_page: dict[str, list[Block]] = {}
    for block in of_language(SHELL, "json", "python", "text"):
        if not block.told("fragment") and not block.told("shown by"):
            by_page.setdefault(block.page, []).append(block)
    return sorted(by_page.items(), key=lambda item: (item[0] == _LAST, item[0]))


def needs_server(blocks: Iterable[Block]) -> bool:
    texts = [text for block in blocks for text in (block.text, *block.notes)]
    return any(re.search(r"\bcurl\b|\bclicktodial call |platform\.example", text) for text in texts)


class Reading:
    """One page, read and typed."""

    def __init__(self, world: World, session: Session) -> None:
        self._world = world
        self._session = session
        self._kept: dict[str, str] = {}
        self._output = ""

    def run(self, block: Block) -> None:
        """Raises BlockFailed, and AssertionError."""
        prepared = "".join(self._type(PREPARATIONS[name]) for name in block.told("prepare"))
        self._keep(block, prepared)
        if block.language == "json":
            self._compare(block)
            return
        if block.language == "text":
            assert block.text == self._output
            return
        if block.language == "python":
            (self._session.directory / "block.py").write_text(self._world.place(block.text))
            self._output = self._type("python block.py\n")
            return
        for name in block.told("stands for"):
            typed = self._world.place(block.text).split()
            assert typed[0] == "clicktodial", typed
            self._is_started(name, typed[1:])
            return
        self._output = self._type(block.text)
        self._keep(block, self._output)
        kept = {told.partition(":")[0] for told in block.told("keep")}
        assert kept <= self._kept.keys(), f"not in {self._output!r}"

    def _keep(self, block: Block, output: str) -> None:
        for told in block.told("keep"):
            name, _, pattern = told.partition(": ")
            if found := re.search(pattern, output):
                self._kept[name] = found[1]

    def _type(self, script: str) -> str:
        for name, value in self._kept.items():
            script = re.sub(rf"\b{name}\b", value, script)
        script = script.replace("/etc/clicktodial", f"{self._session.directory}/etc")
        return self._session.run(self._world.place(script))

    def _is_started(self, name: str, typed: list[str]) -> None:
        """The program runs with the same arguments, but for the place of the settings file."""
        started = self._world.processes[name]
        assert typed == [
            "clicktodial.toml" if each == str(self._world.platform.config_path) else each
            for each in started
        ]

    def _compare(self, block: Block) -> None:
        """What the block shows is what was answered, but for its values; or is sent."""
        for told in block.told("type"):
            module, _, name = told.partition(":")
            kind = getattr(importlib.import_module(module), name)
            value = msgspec.json.decode(block.text, type=kind)
            assert json.loads(msgspec.json.encode(value)) == json.loads(block.text)
            return
        for command in block.told("sent by"):
            (self._session.directory / "block.json").write_text(block.text, encoding="utf-8")
            self._output = self._type(command)
            return
        for command in block.told("like"):
            self._output = self._type(command)
        compare_shapes(json.loads(block.text), json.loads(self._output), "$")


def compare_shapes(shown: Any, answered: Any, place: str) -> None:
    """The same properties, each of the same kind; of lists, the first items. Null may be told of
    any kind."""
    match shown, answered:
        case (None, _) | (_, None):
            pass
        case dict(), dict():
            assert sorted(shown) == sorted(answered), place
            for name, value in shown.items():
                compare_shapes(value, answered[name], f"{place}.{name}")
        case list(), list():
            for one, other in zip(shown[:1], answered[:1], strict=False):
                compare_shapes(one, other, f"{place}[0]")
        case int() | float(), int() | float():
            assert isinstance(shown, bool) == isinstance(answered, bool), place
        case _:
            assert type(shown) is type(answered), f"{place}: {shown!r}, {answered!r}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


def read_page(page: str, blocks: list[Block], reading: Reading) -> list[str]:
    """What went wrong on it; nothing after the first."""
    for block in blocks:
        try:
            reading.run(block)
        except (BlockFailed, AssertionError, ValueError) as error:
            return [f"{block}: {error}"]
    return []


def read_all(world: World, directory: Path) -> list[str]:
    """Read every page, each in a directory of its own; returns what went wrong.

    Pages that need the server are read one after the other, since they share it; beside them, those
    that do not.
    """
    with open_commands() as commands, ThreadPoolExecutor() as lanes:
        library = Library(world, directory, commands)
        shared = lanes.submit(library.read_all, is_served=True)
        return library.read_all(is_served=False) + shared.result()


class Library:
    """The pages, and what each is read with."""

    def __init__(self, world: World, directory: Path, commands: Path) -> None:
        self._world = world
        self._directory = directory
        self._commands = commands

    def read_all(self, *, is_served: bool) -> list[str]:
        """Those that need the server, or those that do not; returns what went wrong."""
        base = self._open("served" if is_served else "not-served", self._world.platform.config_path)
        wrong = []
        for page, blocks in shell_pages():
            if needs_server(blocks) != is_served:
                continue
            began = time.monotonic()
            session = self._served(page, base) if is_served else self._alone(page)
            wrong += read_page(page, blocks, Reading(self._world, session))
            log.warning("%s took %.1f s", page, time.monotonic() - began)
        return wrong

    def _served(self, page: str, base: Session) -> Session:
        """A session on the server that is there."""
        prepare_server(self._world, base, has_trunk=page not in _WITHOUT_TRUNK)
        session = self._open(page, self._world.platform.config_path)
        (session.directory / "clicktodial.toml").symlink_to(self._world.platform.config_path)
        return session

    def _alone(self, page: str) -> Session:
        """A session on a data base of its own, which no server uses."""
        directory = self._directory / page
        config_path = directory / "clicktodial.toml"
        place_database(directory / "data" / FILE_NAME)
        config_path.write_text('[storage]\ndata_dir = "data"\n', encoding="utf-8")
        session = self._open(page, config_path)
        session.run(shlex.join(["clicktodial", *application_arguments(self._world.host)]))
        return session

    def _open(self, name: str, config_path: Path) -> Session:
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return Session(directory, self._commands, variables(self._world, config_path))


def variables(world: World, config_path: Path) -> dict[str, str]:
    return {
        "CLICKTODIAL_CONFIG": str(config_path),
        "API": f"http://{world.host}:8080/management/v1",
        "TOKEN": TOKEN,
        "CAMARA": f"http://{world.host}:8080/click-to-dial/v0.2rc1",
        "EVENTS": f"http://{world.host}:8080/events/v1",
        "APP": f"{APP_ID}:{SECRET}",
    }


def prepare_server(world: World, base: Session, *, has_trunk: bool) -> None:
    """No trunk and no call that a page before has left, and a trunk to the carrier where a page
    takes one for granted."""
    base.run("""
curl -H "Authorization: Bearer $TOKEN" -X PATCH $API/enterprises/default/limits \\
    -d '{"max_duration_s": null}'
none_lives() {
    local live
    live=$(curl -u $APP "$API/calls?limit=20" |
        jq -r '.calls[] | select(.state != "ended").call_id')
    for call in $live; do command curl -s -o refused -u $APP -X POST $API/calls/$call/release; done
    [ -z "$live" ]
}
until_so none_lives
for name in $(curl -H "Authorization: Bearer $TOKEN" $API/trunks | jq -r '.trunks[].name'); do
    curl -H "Authorization: Bearer $TOKEN" -X DELETE $API/trunks/$name
done
""")
    if has_trunk:
        body = json.dumps({"name": "main", "host": world.carrier, "cost_per_minute_micros": 20_000})
        base.run(f"curl -H \"Authorization: Bearer $TOKEN\" $API/trunks -d '{body}'\n")


@pytest.mark.timeout(_READING_TIMEOUT_S)
@pytest.mark.asyncio(loop_scope="module")
async def test_nginx_of_its_page_tells_who_asks_and_passes_events_on(
    world: World, tmp_path: Path
) -> None:
    """An allow-list holds behind it, whatever a client says of itself; no stream is held up."""
    [block] = [block for block in BLOCKS if block.language == "nginx"]
    with open_proxy(world, block.text, tmp_path) as proxy:
        app_id, credential = await create_listed_application(world, proxy)
        async with proxy.client(proxy.stranger) as stranger, proxy.client(proxy.host) as client:
            forged = {"X-Forwarded-For": proxy.host, "Authorization": credential}
            async with stranger.get(f"{proxy.url}/management/v1/calls", headers=forged) as answer:
                assert answer.status == 401
            headers = {"Authorization": credential}
            async with client.get(f"{proxy.url}/health/ready") as answer:
                assert answer.status == 404
            async with client.get(f"{proxy.url}/events/v1/stream", headers=headers) as stream:
                assert stream.status == 200
                begin = {
                    "APPID": app_id,
                    "sponsor": SPONSOR,
                    "caller": "13912345601",
                    "callee": "13810268653",
                }
                url = f"{proxy.url}/clicktodial/v1/clicktodialbegin"
                async with client.post(url, headers=headers, json=begin) as answer:
                    assert answer.status == 200, await answer.text()
                async with asyncio.timeout(_EVENT_TIMEOUT_S):
                    while b"CallingCaller" not in await stream.content.readline():
                        pass


@pytest.mark.timeout(_READING_TIMEOUT_S)
def test_page_of_operations_is_not_stale(world: World) -> None:
    """Here, since its document is the running server's."""
    made = render_operations(read_document(world.platform))
    assert OPERATIONS.read_text(encoding="utf-8") == made, "run `make reference`"


@pytest.mark.timeout(_READING_TIMEOUT_S)
@pytest.mark.asyncio(loop_scope="module")
async def test_each_shell_block_does_what_its_page_says(world: World, tmp_path: Path) -> None:
    """One test for all: they share a server, and workers of a parallel run would each start one."""
    wrong = await asyncio.to_thread(read_all, world, tmp_path)
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)
