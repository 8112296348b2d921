"""Settings from a file and the environment, and errors that say what to mend."""

import json
from pathlib import Path
from typing import Any

import pytest

from clicktodial.config import (
    ConfigError,
    Settings,
    load_settings,
    parse_relay_node,
    read_password,
)


def load(tmp_path: Path, toml: str, **environment: str) -> Settings:
    path = tmp_path / "clicktodial.toml"
    path.write_text(toml, encoding="utf-8")
    return load_settings(path, environment)


def test_no_file_and_no_environment_gives_the_defaults() -> None:
    assert load_settings(None, {}) == Settings()


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


def test_file_sets_what_it_names_and_no_more(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [http]
        host = "0.0.0.0"
        port = 8443
        [media]
        port_min = 30000
        port_max = 30100
        [notify]
        retry_after_s = [1, 2, 3]
        [log]
        level = "debug"
        """,
    )
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8443)
    assert (settings.media.port_min, settings.media.port_max) == (30000, 30100)
    assert settings.notify.retry_after_s == (1, 2, 3)
    assert settings.log.level == "debug"
    assert settings.sip == Settings().sip
    assert settings.http.body_bytes_max == Settings().http.body_bytes_max


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[http]\nhost = "192.0.2.1"\nport = 1\n[sip]\nport = 2\n',
        CLICKTODIAL_HTTP__PORT="3",
        CLICKTODIAL_MEDIA__PORT_MIN="10000",
        CLICKTODIAL_NOTIFY__RETRY_AFTER_S="[5, 6]",
        CLICKTODIAL_LOG__FORMAT="console",
    )
    assert (settings.http.host, settings.http.port) == ("192.0.2.1", 3)
    assert settings.sip.port == 2
    assert settings.media.port_min == 10_000
    assert settings.notify.retry_after_s == (5, 6)
    assert settings.log.format == "console"


def test_environment_of_others_is_left_alone() -> None:
    environment = {"HTTP__PORT": "1", "CLICKTODIAL_CONFIG": "x.toml", "PATH": "/bin"}
    assert load_settings(None, environment) == Settings()


def test_real_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKTODIAL_HTTP__PORT", "4321")
    assert load_settings(None).http.port == 4321


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[http]\nport = 65536\n", ["http.port", "65535"]),
        ("[http]\nport = -1\n", ["http.port", "0"]),
        ("[http]\nport = true\n", ["http.port", "int"]),
        ('[http]\nport = "many"\n', ["http.port", "int"]),
        ("[http]\nport = 80.5\n", ["http.port", "int"]),
        ("[http]\nhost = 1\n", ["http.host", "str"]),
        ("[http]\nprot = 1\n", ["http", "prot"]),
        ("[htpp]\nport = 1\n", ["htpp"]),
        ("http = 1\n", ["http"]),
        ("[http]\nbody_bytes_max = 1023\n", ["http.body_bytes_max", "1024"]),
        ("[http]\nbody_bytes_max = 1048577\n", ["http.body_bytes_max", "1048576"]),
        ("[sip]\nt1_ms = 9\n", ["sip.t1_ms", "10"]),
        ("[sip]\nt1_ms = 5001\n", ["sip.t1_ms", "5000"]),
        ("[media]\nport_min = 0\n", ["media.port_min", "1"]),
        ("[media]\nport_min = 30000\nport_max = 30022\n", ["media.port_max", "media.port_min"]),
        ("[media]\ncodecs = []\n", ["media.codecs", "1"]),
        ('[media]\ncodecs = ["G729"]\n', ["media.codecs", "G729"]),
        ('[media]\ncodecs = ["PCMA", "PCMA"]\n', ["media.codecs", "twice"]),
        ("[media]\nsessions_max = 0\n", ["media.sessions_max", "1"]),
        ("[media]\ndead_after_s = 4\n", ["media.dead_after_s", "5"]),
        ('[media]\ndriver = "other"\n', ["media.driver", "other"]),
        ('[media]\ndriver = "rtpengine"\n', ["media.rtpengine", "media.driver"]),
        ('[media]\nrtpengine = ["192.0.2.1"]\n', ["media.rtpengine", "PORT"]),
        ('[media]\nrtpengine = ["relay.example.com:2223"]\n', ["media.rtpengine", "ADDRESS"]),
        ('[media]\nrtpengine = ["192.0.2.1:0"]\n', ["media.rtpengine", "out of range"]),
        ('[media]\nrtpengine = ["192.0.2.1:65536"]\n', ["media.rtpengine", "out of range"]),
        ('[media]\nrtpengine = ["192.0.2.1:2223;weight=0"]\n', ["media.rtpengine", "weight"]),
        ('[media]\nrtpengine = ["192.0.2.1:2223;weight=101"]\n', ["media.rtpengine", "weight"]),
        ('[media]\nrtpengine = ["192.0.2.1:2223;heavy"]\n', ["media.rtpengine", "drained"]),
        (
            '[media]\nrtpengine = ["192.0.2.1:2223", "192.0.2.1:2223;drained"]\n',
            ["media.rtpengine", "twice"],
        ),
        (f"[media]\nrtpengine = {['192.0.2.1:1'] * 65}\n", ["media.rtpengine", "64"]),
        ('[database]\ndurability = "some"\n', ["database.durability", "some"]),
        ("[calls]\nmax_duration_s = 0\n", ["calls.max_duration_s", "1"]),
        ("[calls]\nmax_duration_s = 86401\n", ["calls.max_duration_s", "86400"]),
        ("[calls]\ndrain_s = -1\n", ["calls.drain_s", "0"]),
        ('[calls]\ndefault_region = "cn"\n', ["calls.default_region"]),
        ("[recording]\nworkers = 65\n", ["recording.workers", "64"]),
        ("[notify]\nretry_after_s = [0]\n", ["notify.retry_after_s", "1"]),
        ("[notify]\nconcurrency_per_endpoint = 1001\n", ["notify.concurrency_per_endpoint"]),
        ("[notify]\nretry_after_s = [604801]\n", ["notify.retry_after_s", "604800"]),
        (f"[notify]\nretry_after_s = {[1] * 101}\n", ["notify.retry_after_s", "100"]),
        ('[sip]\nhost = "0.0.0.0"\n', ["sip.advertised_host", "0.0.0.0"]),
        ('[media]\nhost = "::"\n', ["media.advertised_host", "::"]),
        ('[log]\nlevel = "loud"\n', ["log.level", "loud"]),
        ('[mail]\nsender = "nobody"\n', ["mail.sender"]),
        ('[mail]\ndriver = "smtp"\n', ["mail.host", "mail.driver"]),
        ('[mail]\nusername = "us"\n', ["mail.username"]),
        ('[mail]\npassword = "x"\n', ["mail.username"]),
        (
            '[mail]\nusername = "us"\npassword = "x"\npassword_file = "y"\n',
            ["mail.password_file"],
        ),
        (
            '[mail]\nusername = "us"\npassword = "x"\nsecurity = "none"\n',
            ["mail.security"],
        ),
        ('[accounts]\nbase_url = "ftp://x"\n', ["accounts.base_url"]),
        ('[accounts]\nbase_url = "https://x/?a=b"\n', ["accounts.base_url"]),
        ("[accounts]\nsession_idle_s = 50\nsession_max_s = 49\n", ["accounts.session_idle_s"]),
        ('[support]\ndesk_email = "x"\n', ["support.desk_email"]),
        ('[support]\noperator_email = "x"\n', ["support.operator_email"]),
        ('[support]\ntime_zone = "Nowhere/Else"\n', ["support.time_zone"]),
        ('[support]\ntime_zone = "../secret"\n', ["support.time_zone"]),
        ('[support]\nopens = "18:00"\n', ["support.opens"]),
        ('[support]\ncloses = "29:00"\n', ["support.closes"]),
        ('[support]\ncloses = "9"\n', ["support", "closes"]),
        ('[support]\nholidays = ["tomorrow"]\n', ["support.holidays"]),
    ],
)
def test_setting_out_of_bounds_is_refused_by_name(
    tmp_path: Path, toml: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, toml)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CLICKTODIAL_HTTP__PORT", "many", ["http.port"]),
        ("CLICKTODIAL_HTTP__PORT", "", ["http.port"]),
        ("CLICKTODIAL_HTTP__PROT", "1", ["http", "prot"]),
        ("CLICKTODIAL_HTPP__PORT", "1", ["htpp"]),
        ("CLICKTODIAL_NOTIFY__RETRY_AFTER_S", "[1, 2", ["CLICKTODIAL_NOTIFY__RETRY_AFTER_S"]),
    ],
)
def test_bad_environment_is_refused_by_name(name: str, value: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_settings(None, {name: value})
    for word in words:
        assert word in str(refusal.value)


def test_environment_into_a_table_that_is_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="http is a table"):
        load(tmp_path, "http = 1\n", CLICKTODIAL_HTTP__PORT="1")


@pytest.mark.parametrize("content", [b"[http\n", b"port = \n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_file_that_is_no_toml_is_refused_by_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load_settings(path, {})


def test_file_that_is_not_there_is_refused_by_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_settings(tmp_path / "missing.toml", {})


def test_directory_instead_of_a_file_is_refused_by_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=tmp_path.name):
        load_settings(tmp_path, {})


def test_secret_in_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refusal:
        load_settings(None, {"CLICKTODIAL_SECURITY__MASTER_KEY": "[not-a-list"})
    assert "not-a-list" not in str(refusal.value)


def test_four_ports_are_enough_for_one_call(tmp_path: Path) -> None:
    settings = load(tmp_path, "[media]\nport_min = 30000\nport_max = 30023\n")
    assert settings.media.port_max == 30023


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("webrtc_port_min = 40100\nwebrtc_port_max = 40118\n", "webrtc_port_max must be at least"),
        ("webrtc = true\nport_max = 40100\n", "others than those of the relay"),
        ('webrtc = true\ncodecs = ["OPUS"]\n', "a codec besides OPUS"),
        ('webrtc = true\nwebrtc_stun = "stun:a.example:3478"\n', "webrtc_stun is HOST:PORT"),
    ],
)
def test_browsers_need_ports_and_a_codec(tmp_path: Path, lines: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(tmp_path, f"[media]\n{lines}")
    assert load(tmp_path, '[media]\nwebrtc = true\nwebrtc_stun = "a.example:3478"\n').media.webrtc


def test_database_lies_in_the_data_directory_unless_named(tmp_path: Path) -> None:
    settings = load(tmp_path, f'[storage]\ndata_dir = "{tmp_path}/data"\n')
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/clicktodial.db"
    settings = load(tmp_path, '[database]\nurl = "postgresql://db.example/c2d"\n')
    assert settings.database_url == "postgresql://db.example/c2d"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().http.port = 1  # type: ignore[misc] # the point of the test


@pytest.mark.parametrize("line", ['key_file = "k.pem"', 'certificate_url = "https://x/c.pem"'])
def test_half_a_certificate_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"stir\.key_file and stir\.certificate_url"):
        load(tmp_path, f"[stir]\n{line}\n")


def test_relay_node_is_an_address_with_options_in_any_order() -> None:
    node = parse_relay_node("192.0.2.1:2223;drained;weight=100")
    assert (node.address, node.weight, node.is_drained) == (("192.0.2.1", 2223), 100, True)
    plain = parse_relay_node("192.0.2.1:2223")
    assert (plain.name, plain.weight, plain.is_drained) == ("192.0.2.1:2223", 1, False)


def test_trusted_proxy_that_is_no_address_is_named(tmp_path: Path) -> None:
    assert load(tmp_path, '[http]\ntrusted_proxies = ["10.0.0.1", "fd00::/8"]\n')
    for wrong in ("proxy.example", "10.0.0.1/8", ""):
        with pytest.raises(ConfigError, match=r"http.trusted_proxies has addresses"):
            load(tmp_path, f'[http]\ntrusted_proxies = ["{wrong}"]\n')


MM7 = 'mms = "mm7"\nmm7_url = "http://mmsc.example/"\nmm7_vasp_id = "a"\nmm7_vas_id = "b"\n'
SMPP = 'sms = "smpp"\nsmpp_host = "smsc.example"\nsmpp_system_id = "us"\n'


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('mms = "mm7"\n', "mm7_url, mm7_vasp_id and mm7_vas_id"),
        (MM7.replace("http:", "gopher:"), "http://"),
        ('sms = "smpp"\n', "smpp_host and smpp_system_id"),
        (SMPP + 'smpp_password = "a"\nsmpp_password_file = "b"\n', "one too many"),
        ('time_zone = "Mars/Olympus"\n', "time zone"),
        ('time_zone = "../../etc/passwd"\n', "time zone"),
        ('mm7_report_sources = ["192.0.2.0/99"]\n', "networks"),
        ('mm7_report_secret = "short"\n', "mm7_report_secret"),
    ],
)
def test_messages_that_could_not_be_sent_are_refused(
    tmp_path: Path, lines: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(tmp_path, f"[messages]\n{lines}")


def test_password_comes_from_the_settings_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n", encoding="utf-8")
    assert read_password(None, str(file)) == "secret"
    assert read_password("other", None) == "other"
    assert read_password(None, None) == ""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_password(None, str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"issuer": "platform.example"}, "oauth.issuer"),
        ({"issuer": "https://platform.example/path"}, "oauth.issuer"),
        ({"issuer": "https://[/"}, "oauth.issuer"),
        ({"external_scopes": ["openid"]}, "oauth.external_scopes"),
        ({"external_issuer": "http://localhost:8080"}, "another"),
        ({"external_issuer": "https://login.example"}, "oauth.external_audience"),
        ({"external_issuer": "https://login.example", "external_audience": "us"}, "jwks"),
        (
            {
                "external_issuer": "https://login.example",
                "external_audience": "us",
                "external_jwks_uri": "login.example/certs",
            },
            "external_jwks_uri",
        ),
    ],
)
def test_oauth_settings_that_contradict_each_other_are_refused(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    path = tmp_path / "clicktodial.toml"
    path.write_text("[oauth]\n" + "\n".join(lines))
    with pytest.raises(ConfigError, match=message):
        load_settings(path, {})
