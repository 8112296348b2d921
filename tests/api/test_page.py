"""The page for people: whole, quiet towards the rest of the world, and well formed."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

from tests.api.support import Platform

from clicktodial.api.openapi import create_document
from clicktodial.api.page import render_page
from clicktodial.api.v1.error import REFUSALS

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Elements with their attributes; fails where one is closed that was not opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def render() -> tuple[str, str]:
    page, policy = render_page(create_document(body_bytes_max=16_384, version="0"))
    return page.decode(), policy


async def test_page_is_served_with_a_strict_policy(platform: Platform) -> None:
    answer = await platform.request("GET", "/docs")
    again = await platform.request("GET", "/docs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert again.body == answer.body


async def test_root_leads_to_the_page(platform: Platform) -> None:
    answer = await platform.request("GET", "/")
    assert (answer.status, answer.headers["location"]) == (307, "/docs")


def test_page_asks_nobody_for_anything() -> None:
    page, _ = render()
    outline = Outline()
    outline.feed(page)
    for tag, attributes in outline.seen:
        assert tag not in {"script", "link", "img", "iframe", "form", "object"}
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "a":
            assert re.match("#|/openapi.json$", attributes["href"] or "")
    assert "url(" not in page and "@import" not in page


def test_page_is_well_formed_and_its_links_lead_somewhere() -> None:
    page, _ = render()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in outline.seen:
        href = attributes.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in ids


def test_policy_allows_exactly_the_style_of_the_page() -> None:
    page, policy = render()
    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy


def test_page_shows_every_operation_every_error_and_curl() -> None:
    page, _ = render()
    text = html.unescape(re.sub("<[^>]+>", " ", page))
    for path in ("clicktodialbegin", "clicktodialrelease", "recordingdownload", "statusnotify"):
        assert path in text
    for row in REFUSALS:
        assert row.code in text and row.description in text and row.about in text
    assert text.count("curl -X POST http") == 4
    assert "prefers-color-scheme:dark" in page
