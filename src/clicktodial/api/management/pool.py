"""`/applications/{app_id}/numbers` and `/pools`: what an application shows, and of what it lets us
choose."""

from typing import Annotated, Any

from msgspec import Meta

from clicktodial.accounts.application import ApplicationDesk
from clicktodial.accounts.number import NumberInventory
from clicktodial.accounts.number_pool import FALLBACK_MAX, POOL_NUMBERS_MAX, NumberPools
from clicktodial.api.management.application import APP_ID, CHANGING, READING, note_owner
from clicktodial.api.management.number import NUMBER
from clicktodial.api.management.problem import ALREADY_EXISTS, CONFLICT, INVALID_VALUE, NOT_FOUND
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Strict, WrittenNumber
from clicktodial.api.management.worker import Worker
from clicktodial.domain.number_pool import NumberPool
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX


class ApplicationNumbers(Strict, frozen=True):
    """The numbers that an application may show."""

    numbers: list[str]


class OneNumber(Strict, frozen=True):
    """A number that the enterprise has."""

    number: WrittenNumber


class PoolBody(Strict, frozen=True):
    """Numbers that the application may show, and the cities to fall back on, in their order, where
    none is of the callee's city or region."""

    numbers: Annotated[list[WrittenNumber], Meta(max_length=POOL_NUMBERS_MAX)]
    fallback: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=CITY_CHARACTERS_MAX)], ...],
        Meta(max_length=FALLBACK_MAX),
    ] = ()


class PoolNumberView(Strict, frozen=True):
    """A number of a pool, and where the inventory says that it is."""

    number: str
    city: str
    region: str


class PoolView(Strict, frozen=True):
    """A pool."""

    name: str
    numbers: list[PoolNumberView]
    fallback: list[str]


class PoolList(Strict, frozen=True):
    """The pools of an application."""

    pools: list[PoolView]


class PoolResource:
    """What applications show."""

    def __init__(
        self,
        desk: ApplicationDesk,
        inventory: NumberInventory,
        pools: NumberPools,
        worker: Worker,
    ) -> None:
        self._desk = desk
        self._inventory = inventory
        self._pools = pools
        self._worker = worker

    async def list_numbers(self, ask: Ask) -> ApplicationNumbers:
        """GET .../numbers"""
        app_id = ask.path["app_id"]
        numbers = await self._worker.run(
            lambda: self._inventory.list_of_application(ask.principal, app_id)
        )
        return ApplicationNumbers(numbers=numbers)

    async def assign(self, ask: Ask) -> ApplicationNumbers:
        """POST .../numbers"""
        await note_owner(ask, self._desk, self._worker)
        number, app_id = (await ask.read(OneNumber)).number, ask.path["app_id"]
        await self._worker.run(lambda: self._inventory.assign(ask.principal, app_id, number))
        return await self.list_numbers(ask)

    async def unassign(self, ask: Ask) -> None:
        """DELETE .../numbers/{number}"""
        await note_owner(ask, self._desk, self._worker)
        app_id, number = ask.path["app_id"], ask.path["number"]
        await self._worker.run(lambda: self._inventory.unassign(ask.principal, app_id, number))

    async def list_pools(self, ask: Ask) -> PoolList:
        """GET .../pools"""
        app_id = ask.path["app_id"]
        pools = await self._worker.run(lambda: self._pools.list_pools(ask.principal, app_id))
        return PoolList(pools=[_render(pool) for pool in pools])

    async def show(self, ask: Ask) -> PoolView:
        """GET .../pools/{name}"""
        app_id, name = ask.path["app_id"], ask.path["name"]
        return _render(
            await self._worker.run(lambda: self._pools.show(ask.principal, app_id, name))
        )

    async def put(self, ask: Ask) -> PoolView:
        """PUT .../pools/{name}"""
        await note_owner(ask, self._desk, self._worker)
        body = await ask.read(PoolBody)
        app_id, name = ask.path["app_id"], ask.path["name"]
        pool = await self._worker.run(
            lambda: self._pools.put(
                ask.principal, app_id, name, numbers=body.numbers, fallback=body.fallback
            )
        )
        return _render(pool)

    async def remove(self, ask: Ask) -> None:
        """DELETE .../pools/{name}"""
        await note_owner(ask, self._desk, self._worker)
        app_id, name = ask.path["app_id"], ask.path["name"]
        await self._worker.run(lambda: self._pools.remove(ask.principal, app_id, name))

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        return [*self._number_routes(), *self._pool_routes()]

    def _number_routes(self) -> list[Route]:
        numbers = {"numbers": ["+861052680000"]}
        return [
            Route(
                name="listApplicationNumbers",
                method="GET",
                path="/applications/{app_id}/numbers",
                summary="List the numbers of an application",
                about="Those that it may show.",
                roles=READING,
                handle=self.list_numbers,
                answer=ApplicationNumbers,
                answer_example=numbers,
                **_SHARED,
            ),
            Route(
                name="assignNumber",
                method="POST",
                path="/applications/{app_id}/numbers",
                summary="Let an application show a number",
                about="One that is assigned to its enterprise.",
                roles=CHANGING,
                handle=self.assign,
                body=OneNumber,
                body_example={"number": "01052680000"},
                answer=ApplicationNumbers,
                answer_example=numbers,
                **_SHARED | {"problems": (NOT_FOUND, INVALID_VALUE, ALREADY_EXISTS)},
            ),
            Route(
                name="unassignNumber",
                method="DELETE",
                path="/applications/{app_id}/numbers/{number}",
                summary="Let an application show a number no longer",
                about="It leaves the application's pools, and stays its enterprise's.",
                roles=CHANGING,
                handle=self.unassign,
                status=204,
                **_SHARED
                | {
                    "parameters": (APP_ID, NUMBER),
                    "problems": (NOT_FOUND, INVALID_VALUE, CONFLICT),
                },
            ),
        ]

    def _pool_routes(self) -> list[Route]:
        of_pool = _SHARED | {"parameters": (APP_ID, _NAME)}
        return [
            Route(
                name="listPools",
                method="GET",
                path="/applications/{app_id}/pools",
                summary="List the pools of an application",
                about="By name.",
                roles=READING,
                handle=self.list_pools,
                answer=PoolList,
                answer_example={"pools": [_POOL]},
                **_SHARED,
            ),
            Route(
                name="showPool",
                method="GET",
                path="/applications/{app_id}/pools/{name}",
                summary="Read a pool",
                about="Its numbers and where each is.",
                roles=READING,
                handle=self.show,
                answer=PoolView,
                answer_example=_POOL,
                **of_pool,
            ),
            Route(
                name="putPool",
                method="PUT",
                path="/applications/{app_id}/pools/{name}",
                summary="Make a pool",
                about="Or make it anew. A begin without `sponsor` shows a number of it: one of the "
                "callee's city, else of its region, else of the first city of `fallback` that has "
                "one, else any; of several the one shown least lately.",
                roles=CHANGING,
                handle=self.put,
                body=PoolBody,
                body_example={"numbers": ["01052680000"], "fallback": ["Beijing"]},
                answer=PoolView,
                answer_example=_POOL,
                **of_pool | {"problems": (NOT_FOUND, INVALID_VALUE)},
            ),
            Route(
                name="removePool",
                method="DELETE",
                path="/applications/{app_id}/pools/{name}",
                summary="Remove a pool",
                about="Its numbers stay the application's.",
                roles=CHANGING,
                handle=self.remove,
                status=204,
                **of_pool,
            ),
        ]


def _render(pool: NumberPool) -> PoolView:
    return PoolView(
        name=pool.name,
        numbers=[
            PoolNumberView(number=each.e164, city=each.place.city, region=each.place.region)
            for each in pool.numbers
        ],
        fallback=list(pool.fallback),
    )


_NAME = Parameter("name", "The pool's name.", {"type": "string", "maxLength": 64}, "sales")
_SHARED: dict[str, Any] = {
    "tag": "Numbers",
    "parameters": (APP_ID,),
    "problems": (NOT_FOUND,),
}
_POOL = {
    "name": "sales",
    "numbers": [{"number": "+861052680000", "city": "Beijing", "region": "Beijing"}],
    "fallback": ["Beijing"],
}
