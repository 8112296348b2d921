"""Changing one's address: the form, and the page that the mail leads to."""

import http.client
import re

import pytest
from tests.portal.client import TIMEOUT_S, Client
from tests.portal.world import PASSWORD, World

from clicktodial.accounts.person import People
from clicktodial.domain.principal import Role
from clicktodial.messaging.mail import MailOutbox

NEW = "elsewhere@example.com"
_TOKEN = re.compile(r"/change-email#(e_[\w-]+)")


@pytest.fixture(scope="module")
def client(world: World, origin: str) -> Client:
    """Somebody of this file's own."""
    world.administration.create_enterprise("emil", name="Emil")
    world.add_person("owner.emil", Role.OWNER, "emil")
    return Client(origin, world.log_in("owner.emil"))


def test_address_is_another_once_the_link_was_followed(
    world: World, origin: str, client: Client
) -> None:
    wrong = client.post("/profile/email", {"email": NEW, "password": "no such password"})
    assert wrong.status == 422
    assert "The password is wrong." in wrong.text
    lacking = client.post("/profile/email", {"email": "", "password": PASSWORD})
    assert lacking.status == 422
    assert 'id="email-error"' in lacking.text
    assert PASSWORD not in lacking.text
    asked = client.post("/profile/email", {"email": NEW, "password": PASSWORD})
    assert asked.status == 303
    people = People(world.transactions, world.vault, region="CN")
    assert people.find("owner.emil").email == "owner.emil@example.com"
    mails = MailOutbox(world.transactions).list_mails(limit=1_000)
    text = next(each.text for each in mails if each.to == NEW)
    (token,) = _TOKEN.findall(text)
    # Whoever got the mail need not be logged in.
    stranger = Client(origin)
    assert stranger.get("/change-email").status == 200
    assert stranger.post("/change-email", {"token": "e_none"}).status == 422
    done = stranger.post("/change-email", {"token": token})
    assert (done.status, done.headers["location"]) == (303, "/console/login")
    assert people.find("owner.emil").email == NEW
    assert stranger.post("/change-email", {"token": token}).status == 422


def test_link_of_the_mail_leads_to_the_console(origin: str) -> None:
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/change-email")
        response = connection.getresponse()
        assert response.status == 307
        assert response.getheader("location") == "/console/change-email"
    finally:
        connection.close()
