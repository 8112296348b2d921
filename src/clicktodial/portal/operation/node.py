"""Nodes, relays, and the settings that hold."""

from collections.abc import Sequence
from typing import Any

from clicktodial.accounts.node import NodeSeen
from clicktodial.portal.live import Watch
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.operation.role import OPERATOR, SEERS
from clicktodial.portal.page import Answer, Nav, Page, Section, View, Visit
from clicktodial.portal.text import mark


class NodePages:
    """GET /nodes, /relays and /settings"""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def show_nodes(self, visit: Visit) -> Answer:
        """GET /nodes"""
        nodes: Sequence[NodeSeen] = await self._needs.worker.run(self._needs.nodes.list_nodes)
        context: dict[str, Any] = {
            "nodes": [(node, node.lives(visit.now)) for node in nodes],
            "own": self._needs.node_id,
        }
        return View("operation/nodes.html", context)

    async def watch_nodes(self, visit: Visit) -> Watch:
        """Who lives, and how many calls each has."""
        nodes, utc = self._needs.nodes, self._needs.utc

        def ask() -> object:
            return [
                (each.node_id, each.lives(utc()), each.live_calls) for each in nodes.list_nodes()
            ]

        return Watch(("nodes",), ask)

    async def show_relays(self, visit: Visit) -> Answer:
        """GET /relays"""
        media = self._needs.shown_settings["media"]
        context = {"relays": self._needs.relay_states(), "driver": media["driver"]}
        return View("operation/relays.html", context)

    async def watch_relays(self, visit: Visit) -> Watch:
        """How each fares, by this node."""
        return Watch(("relays",), self._needs.relay_states)

    async def show_settings(self, visit: Visit) -> Answer:
        """GET /settings"""
        tables = self._needs.shown_settings
        return View("operation/settings.html", {"tables": tables, "write": _write})

    def pages(self) -> list[Page]:
        """What is shown."""
        return [
            Page(
                name="relays",
                path="/relays",
                title=mark("Relays"),
                roles=SEERS,
                show=self.show_relays,
                nav=Nav(Section.SYSTEM, 40, "waypoints"),
                watch=self.watch_relays,
            ),
            Page(
                name="nodes",
                path="/nodes",
                title=mark("Nodes"),
                roles=OPERATOR,
                show=self.show_nodes,
                nav=Nav(Section.SYSTEM, 50, "server"),
                watch=self.watch_nodes,
            ),
            Page(
                name="settingsInForce",
                path="/settings",
                title=mark("Settings in force"),
                roles=OPERATOR,
                show=self.show_settings,
                nav=Nav(Section.SYSTEM, 90, "sliders-horizontal"),
            ),
        ]


def _write(value: object) -> str:
    """A value as people read it."""
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(_write(each) for each in value)
        case dict():
            return ", ".join(f"{key}: {_write(each)}" for key, each in value.items())
        case _:
            return str(value)
