"""The framework's application, made once for the platforms of all tests of a worker.

Of what a platform takes to make, nearly all was the framework's registering of more than two
hundred handlers. Here it registers each once, as one that asks the platform's own handler of that
name: the platform whose `app` is being called, and no other (a context variable tells which).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeAlias

from litestar import Litestar, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

Handlers: TypeAlias = Mapping[str, HTTPRouteHandler]
_asked: ContextVar[Handlers] = ContextVar("handlers of the platform that is asked")


class SharedApp:
    """Makes the application of each platform: `build` is called once, with what stands in."""

    def __init__(self) -> None:
        self._app: Litestar | None = None
        self._routes: set[tuple[str, tuple[str, ...], tuple[str, ...]]] = set()

    def lend(
        self,
        handlers: Sequence[HTTPRouteHandler],
        build: Callable[[list[HTTPRouteHandler]], Litestar],
    ) -> ASGIApp:
        """An application that is answered by these handlers alone."""
        if self._app is None:
            self._app = build([_stand_in(each) for each in handlers])
            self._routes = {_describe(each) for each in handlers}
        assert {_describe(each) for each in handlers} == self._routes
        shared, own = self._app, {_name(each): each for each in handlers}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            token = _asked.set(own)
            try:
                await shared(scope, receive, send)
            finally:
                _asked.reset(token)

        return app


def _stand_in(handler: HTTPRouteHandler) -> HTTPRouteHandler:
    """The same path and method, answered by the handler of that name of whoever is asked."""
    name = _name(handler)
    takes_request = bool(inspect.signature(handler.fn).parameters)

    @route(
        list(handler.paths),
        http_method=[*handler.http_methods],
        name=name,
        status_code=handler.status_code,
    )
    async def stand_in(request: Request[Any, Any, Any]) -> Response[Any]:
        own = _asked.get()[name].fn
        answer: Response[Any] = await (own(request) if takes_request else own())
        return answer

    return stand_in


def _name(handler: HTTPRouteHandler) -> str:
    assert handler.name is not None
    return handler.name


def _describe(handler: HTTPRouteHandler) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return _name(handler), tuple(sorted(handler.paths)), tuple(sorted(handler.http_methods))
