"""What signs calls, and the timers of SIP, as the settings have them."""

from pathlib import Path

import pytest

from clicktodial.composition.telephony import create_signer, create_timers
from clicktodial.config import ConfigError, StirSettings


def test_key_that_cannot_sign_stops_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN nonsense-----")
    for key_file, told in ((path, "P-256|private key"), (tmp_path / "none", "No such file")):
        settings = StirSettings(key_file=str(key_file), certificate_url="https://x/c.pem")
        with pytest.raises(ConfigError, match=told) as caught:
            create_signer(settings)
        assert "BEGIN" not in str(caught.value)


def test_without_certificate_nothing_is_signed() -> None:
    assert create_signer(StirSettings()) is None


@pytest.mark.parametrize(("t1_s", "t2_s"), [(0.05, 0.4), (0.5, 4.0), (2.0, 4.0)])
def test_a_request_has_its_eleven_tries_however_short_the_round_trip(
    t1_s: float, t2_s: float
) -> None:
    timers = create_timers(t1_s)
    assert timers.t1_s == t1_s
    assert timers.t2_s == pytest.approx(t2_s)
