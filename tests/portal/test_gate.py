"""What all pages have in common: sessions, forms' tokens, headers, refusals."""

from base64 import b32decode
from datetime import UTC, datetime

import pytest
from tests.portal.client import Client
from tests.portal.registry import CONSOLE
from tests.portal.world import PASSWORD, World

from clicktodial.domain.principal import Role
from clicktodial.domain.totp import create_code, step_at
from clicktodial.portal import session_cookie as cookie
from clicktodial.portal.asset import load_assets
from clicktodial.portal.page import BASE_PATH, own_path
from clicktodial.portal.server import link_to_asset

FIRST_VIEW_BYTES_MAX = 300_000


@pytest.fixture
def visitor(origin: str) -> Client:
    """Nobody who is logged in."""
    return Client(origin)


@pytest.fixture
def owner(origin: str, world: World) -> Client:
    """An owner of acme."""
    return Client(origin, world.tokens[Role.OWNER])


def log_in(client: Client, account: str, **fields: str) -> str:
    """The token of a session that begins; "" where none does."""
    answer = client.post("/login", {"account": account, "password": PASSWORD, **fields})
    if answer.status != 303:
        return ""
    return answer.cookies[cookie.SESSION].partition("=")[2].partition(";")[0]


def test_page_is_kept_by_nobody_and_held_to_itself(owner: Client) -> None:
    headers = owner.get("/calls").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_session_cookie_is_out_of_reach(visitor: Client, world: World) -> None:
    world.add_person("cookie.acme", Role.READER, "acme")
    answer = visitor.post("/login", {"account": "cookie.acme", "password": PASSWORD})
    assert (answer.status, answer.headers["location"]) == (303, f"{BASE_PATH}/")
    attributes = answer.cookies[cookie.SESSION].lower().split("; ")[1:]
    assert {"httponly", "samesite=lax", f"path={BASE_PATH}"} <= set(attributes)


def test_cookies_are_for_tls_alone_where_the_platform_has_it() -> None:
    assert cookie.Jar(is_secure=True).begin_session("s_x").secure
    assert not cookie.Jar(is_secure=False).begin_session("s_x").secure


def test_session_ends_with_the_log_out(visitor: Client, world: World, origin: str) -> None:
    world.add_person("leaving.acme", Role.READER, "acme")
    client = Client(origin, log_in(visitor, "leaving.acme"))
    assert client.get("/").status == 200
    answer = client.post("/logout")
    assert (answer.status, answer.headers["location"]) == (303, f"{BASE_PATH}/login")
    assert "max-age=0" in answer.cookies[cookie.SESSION].lower()
    assert client.get("/").status == 303


def test_wrong_password_is_told_without_telling_which_is_wrong(visitor: Client) -> None:
    answers = [
        visitor.post("/login", {"account": account, "password": "not it, surely"})
        for account in ("owner.acme", "nobody.at.all")
    ]
    assert [answer.status for answer in answers] == [422, 422]
    assert all("The account, the password or the code is wrong." in a.text for a in answers)
    assert all("not it, surely" not in answer.text for answer in answers)


def test_second_factor_is_set_up_and_asked_for(visitor: Client, world: World, origin: str) -> None:
    world.add_person("factor.acme", Role.READER, "acme")
    client = Client(origin, log_in(visitor, "factor.acme"))
    shown = client.post("/profile/second-factor", {"password": PASSWORD})
    assert shown.status == 200 and '<svg class="qr"' in shown.text
    secret = shown.text.split('name="secret" value="')[1].split('"')[0]
    wrong = client.post(
        "/profile/second-factor/on", {"secret": secret, "uri": "otpauth://x", "code": "000000"}
    )
    assert wrong.status == 422 and "The code is wrong." in wrong.text
    code = create_code(b32decode(secret), step_at(datetime.now(UTC)))
    codes = client.post(
        "/profile/second-factor/on", {"secret": secret, "uri": "otpauth://x", "code": code}
    )
    assert codes.status == 200
    recovery = codes.text.split('<ul class="codes"><li>')[1].split("<")[0]
    asked = visitor.post("/login", {"account": "factor.acme", "password": PASSWORD})
    assert asked.status == 422 and 'name="code"' in asked.text
    assert log_in(visitor, "factor.acme", code=recovery)
    assert not log_in(visitor, "factor.acme", code=recovery), "a recovery code is taken once"


def test_too_many_attempts_are_told_with_how_long_to_wait(visitor: Client, world: World) -> None:
    world.add_person("guessed.acme", Role.READER, "acme")
    texts = []
    for _ in range(12):
        answer = visitor.post("/login", {"account": "guessed.acme", "password": "a wrong guess"})
        texts.append(answer.text)
    assert "Too many attempts. Wait" in texts[-1]


@pytest.mark.parametrize("token", ["", "x" * 32, "ü"])
def test_form_without_its_token_is_refused(owner: Client, token: str) -> None:
    answer = owner.post("/team", {"email": "new@example.com", "roles": "reader"}, token=token)
    assert answer.status == 403
    assert "This form is out of date" in answer.text


def test_form_of_another_session_is_refused(owner: Client, origin: str, world: World) -> None:
    other = Client(origin, world.tokens[Role.READER])
    assert owner.post("/logout", token=other.form_token).status == 403


def test_form_that_another_site_sends_is_refused(owner: Client) -> None:
    for site in ("cross-site", "same-site"):
        assert owner.post("/logout", Sec_Fetch_Site=site).status == 403


def test_form_that_is_none_is_refused(owner: Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"\xff\xfe", b"a=%ff", b"&".join(b"a=1" for _ in range(2_000))):
        answer = owner.ask("POST", f"{BASE_PATH}/team", body, headers)
        assert answer.status == 400, body[:10]


def test_body_beyond_the_bound_is_refused(owner: Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = owner.ask("POST", f"{BASE_PATH}/team", b"a=" + b"x" * 500_000, headers)
    assert answer.status == 413


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/",
        "//example.com/",
        "/console//example.com/",
        "/console/../docs",
        "/console/\\example.com",
        "/console/@example.com\r\nSet-Cookie: x",
        "/docs",
        "/consoles/",
        "javascript:alert(1)",
        "",
        None,
        "/console/" + "a" * 5_000,
    ],
)
def test_address_of_others_is_not_our_own(text: str | None) -> None:
    assert own_path(text) is None


@pytest.mark.parametrize(
    "text",
    ["/console/", "/console/calls?period=week&number=%2B86", "/console/calls/a-1"],
)
def test_address_of_ours_is(text: str) -> None:
    assert own_path(text) == text


def test_log_in_leads_back_to_our_own_pages_alone(visitor: Client, world: World) -> None:
    world.add_person("back.acme", Role.READER, "acme")
    for wanted, led_to in (
        ("/console/calls?period=week", "/console/calls?period=week"),
        ("https://example.com/", f"{BASE_PATH}/"),
    ):
        fields = {"account": "back.acme", "password": PASSWORD, "next": wanted}
        assert visitor.post("/login", fields).headers["location"] == led_to


def test_what_is_not_there_is_told_on_a_page(owner: Client) -> None:
    answer = owner.get("/no/such/page")
    assert answer.status == 404 and "There is nothing here" in answer.text
    chinese = owner.get("/no/such/page", Accept_Language="zh-CN,zh;q=0.9,en;q=0.5")
    assert "There is nothing here" not in chinese.text
    assert 'lang="zh-CN"' in chinese.text
    assert owner.get("/calls/" + "0" * 32).status == 404
    assert owner.get("/calls/%00").status in (400, 404)
    assert owner.ask("DELETE", f"{BASE_PATH}/calls", b"", {}).status == 405


def test_part_of_a_page_is_what_htmx_asked_for(owner: Client) -> None:
    part = owner.get("/calls", HX_Request="true", HX_Target="results")
    assert part.text.lstrip().startswith('<div id="results"')
    whole = owner.get("/calls", HX_Request="true", HX_Target="no-such-block")
    assert whole.text.lstrip().startswith("<!doctype html>")


def test_refusal_of_a_part_is_a_toast(owner: Client) -> None:
    answer = owner.get("/calls/nothing", HX_Request="true", HX_Target="results")
    assert (answer.status, answer.headers["hx-retarget"]) == (404, "#toasts")
    assert answer.text.lstrip().startswith('<div class="toast toast-failed"')


def test_preference_is_kept_and_nonsense_is_not(owner: Client) -> None:
    answer = owner.post(
        "/preferences",
        {"language": "zh-CN", "theme": "dark", "zone": "Asia/Shanghai", "back": "//evil.example"},
    )
    assert answer.headers["location"] == f"{BASE_PATH}/"
    assert {cookie.LANGUAGE, cookie.THEME, cookie.ZONE} <= set(answer.cookies)
    answer = owner.post("/preferences", {"language": "xx", "theme": "pink", "zone": "../etc"})
    assert not {cookie.LANGUAGE, cookie.THEME, cookie.ZONE} & set(answer.cookies)
    owner.cookies |= {cookie.LANGUAGE: "zh-CN", cookie.THEME: "dark"}
    assert '<html lang="zh-CN" data-theme="dark">' in owner.get("/").text


def test_toast_is_shown_once_and_only_if_it_is_ours(owner: Client) -> None:
    owner.post("/preferences", {"theme": "light"})
    owner.cookies[cookie.TOAST] = "WyJkb25lIiwiSGVsbG8iXQ==.forged"
    answer = owner.get("/")
    assert "data-toast" not in answer.text
    assert "max-age=0" in answer.cookies[cookie.TOAST].lower()


def test_static_files_are_kept_for_ever_and_compressed(visitor: Client) -> None:
    path = link_to_asset("console.css").removeprefix(BASE_PATH)
    plain, gzipped = visitor.get(path), visitor.get(path, Accept_Encoding="gzip")
    assert "immutable" in plain.headers["cache-control"]
    assert gzipped.headers["content-encoding"] == "gzip"
    assert len(gzipped.body) < len(plain.body) / 3
    assert visitor.get("/static/console.css").status == 404


def test_first_view_is_light(owner: Client) -> None:
    page = owner.get("/calls")
    loaded = sum(
        len(asset.gzipped or asset.content)
        for name, asset in load_assets().items()
        if name != "vendor/axe.js"
    )
    assert len(page.body) + loaded < FIRST_VIEW_BYTES_MAX


def test_links_of_mails_lead_to_the_console(visitor: Client) -> None:
    for path in ("/activate", "/reset-password"):
        answer = visitor.ask("GET", path, b"", {})
        assert (answer.status, answer.headers["location"]) == (307, BASE_PATH + path)


def test_names_of_pages_and_actions_have_one_address() -> None:
    assert CONSOLE.link("call", call_id="a/b", page=2) == f"{BASE_PATH}/calls/a%2Fb?page=2"
    with pytest.raises(KeyError):
        CONSOLE.link("call")
    with pytest.raises(KeyError):
        CONSOLE.link("no such page")
