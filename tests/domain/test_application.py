"""An application's secret stays out of every text made of it."""

from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.identifier import AppId


def test_application_as_text_tells_only_its_identifier() -> None:
    application = Application(
        app_id=AppId("12345678"),
        enterprise_id="e-1",
        enterprise_status=EnterpriseStatus.ACTIVE,
        status=ApplicationStatus.ACTIVE,
        secret="not-for-logs",
        signing_secret=b"nor-this",
        sponsors=frozenset({"+861052680000"}),
        notify_url=None,
        allow_private_addresses=False,
    )
    assert repr(application) == str(application) == "Application('12345678')"
