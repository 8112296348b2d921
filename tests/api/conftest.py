"""Fixtures of the API's tests."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.api.support import (
    BODY_BYTES_MAX,
    Conformance,
    FakeApplications,
    FakeCatalog,
    FakeService,
    KeptBegins,
    Platform,
    create_application,
)

from clicktodial.api.app import create_http_app
from clicktodial.api.request_gate import RequestGate
from clicktodial.config import HttpSettings
from clicktodial.control.once import OnceBegins
from clicktodial.domain.identifier import AppId

CreatePlatform: TypeAlias = Callable[..., Platform]


@pytest.fixture
def create_platform(tmp_path: Path) -> CreatePlatform:
    """Makes a platform of which the one application has these properties."""

    def create(
        *,
        default_region: str = "CN",
        gate: RequestGate | None = None,
        **changes: object,
    ) -> Platform:
        service, catalog, ready = FakeService(), FakeCatalog(), [True]
        other = create_application(app_id=AppId("87654321"), secret="other")
        applications = FakeApplications(create_application(**changes), other)

        async def is_ready() -> bool:
            if made.hanging is not None:
                await made.hanging.wait()
            return ready[0]

        app = create_http_app(
            service=service,
            applications=applications,
            recordings=catalog,
            is_known_call=service.is_known,
            recordings_root=tmp_path,
            settings=HttpSettings(body_bytes_max=BODY_BYTES_MAX),
            default_region=default_region,
            is_ready=is_ready,
            gate=gate,
            once=OnceBegins(KeptBegins(service), lambda: datetime.now(UTC)),
        )
        made = Platform(app, service, applications, catalog, tmp_path, ready)
        return made

    return create


@pytest.fixture
def platform(create_platform: CreatePlatform) -> Platform:
    """A platform whose application may do everything."""
    return create_platform()


@pytest.fixture
def conformance() -> Conformance:
    """The document, to hold answers against."""
    return Conformance()
