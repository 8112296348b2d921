"""`/enterprises/{enterprise_id}/limits`: what an enterprise may use at most."""

from dataclasses import replace
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from clicktodial.api.management.problem import INVALID_VALUE, NOT_FOUND
from clicktodial.api.management.route import Ask, Parameter, Route
from clicktodial.api.management.schema import Strict, given_fields
from clicktodial.api.management.worker import Worker
from clicktodial.domain.application import EnterpriseLimits
from clicktodial.domain.principal import Role
from clicktodial.storage.administration import Administration
from clicktodial.storage.options_codec import CALLS_PER_SECOND_MAX, LIVE_CALLS_MAX
from clicktodial.storage.value import DURATION_S_MAX

_OPERATOR = frozenset({Role.OPERATOR})
_PARAMETER = Parameter("enterprise_id", "The enterprise.", {"type": "string"}, example="default")

_LiveCalls = Annotated[int, Meta(ge=1, le=LIVE_CALLS_MAX, description="Calls at a time.")]
_CallsPerSecond = Annotated[
    int, Meta(ge=1, le=CALLS_PER_SECOND_MAX, description="New calls a second.")
]
_Duration = Annotated[
    int, Meta(ge=1, le=DURATION_S_MAX, description="The longest conversation, in seconds.")
]
_RingTimeout = Annotated[
    int, Meta(ge=1, le=DURATION_S_MAX, description="The longest ringing of a side, in seconds.")
]


class Limits(Strict, frozen=True):
    """What all applications of an enterprise may use together; null is no limit but the
    platform's. Calls are counted on each node."""

    live_calls_max: _LiveCalls | None
    calls_per_second_max: _CallsPerSecond | None
    max_duration_s: _Duration | None
    ring_timeout_s_max: _RingTimeout | None


class LimitsChange(Strict, frozen=True):
    """The limits that change; null takes one away."""

    live_calls_max: _LiveCalls | UnsetType | None = UNSET
    calls_per_second_max: _CallsPerSecond | UnsetType | None = UNSET
    max_duration_s: _Duration | UnsetType | None = UNSET
    ring_timeout_s_max: _RingTimeout | UnsetType | None = UNSET


class LimitResource:
    """The limits of enterprises."""

    def __init__(self, administration: Administration, worker: Worker) -> None:
        self._administration = administration
        self._worker = worker

    async def show(self, ask: Ask) -> Limits:
        """GET"""
        enterprise_id = ask.path["enterprise_id"]
        detail = await self._worker.run(lambda: self._administration.show_enterprise(enterprise_id))
        return _render(detail.limits)

    async def change(self, ask: Ask) -> Limits:
        """PATCH"""
        enterprise_id = ask.path["enterprise_id"]
        given = given_fields(await ask.read(LimitsChange))
        limits = await self._worker.run(
            lambda: self._administration.change_limits(
                enterprise_id, lambda known: replace(known, **given)
            )
        )
        return _render(limits)

    def routes(self) -> list[Route]:
        """The rows of this resource."""
        path = "/enterprises/{enterprise_id}/limits"
        example = {
            "live_calls_max": 100,
            "calls_per_second_max": 10,
            "max_duration_s": None,
            "ring_timeout_s_max": None,
        }
        return [
            Route(
                name="showEnterpriseLimits",
                method="GET",
                path=path,
                tag="Enterprises",
                summary="Read the limits of an enterprise",
                about="What all of its applications may use together.",
                roles=_OPERATOR,
                handle=self.show,
                answer=Limits,
                answer_example=example,
                parameters=(_PARAMETER,),
                problems=(NOT_FOUND,),
            ),
            Route(
                name="changeEnterpriseLimits",
                method="PATCH",
                path=path,
                tag="Enterprises",
                summary="Change the limits of an enterprise",
                about="Only what is given changes. It holds for calls that begin from now on.",
                roles=_OPERATOR,
                handle=self.change,
                body=LimitsChange,
                body_example={"live_calls_max": 100, "calls_per_second_max": 10},
                answer=Limits,
                answer_example=example,
                parameters=(_PARAMETER,),
                problems=(NOT_FOUND, INVALID_VALUE),
            ),
        ]


def _render(limits: EnterpriseLimits) -> Limits:
    return Limits(
        live_calls_max=limits.live_calls_max,
        calls_per_second_max=limits.calls_per_second_max,
        max_duration_s=limits.max_duration_s,
        ring_timeout_s_max=limits.ring_timeout_s_max,
    )
