"""What a call's page shows of notifications: the request, and what the server answered."""

import html
from dataclasses import replace

from sqlalchemy import select, update
from tests.portal.client import Client
from tests.portal.seed.call import RECORDED, REFUSED
from tests.portal.world import ACME, World

from clicktodial.domain.event import CallApi
from clicktodial.domain.number import mask_number
from clicktodial.domain.principal import Role
from clicktodial.storage import table
from clicktodial.storage.event_codec import decode_event, encode_event

_EVENT = table.call_event.c


def test_answer_of_a_server_stands_beside_the_request(origin: str, world: World) -> None:
    client, call_id = Client(origin, world.tokens[Role.OWNER]), world.ids[ACME]["call_id"]
    callee = f"8613810268{RECORDED:03}"
    hidden = html.unescape(client.get(f"/calls/{call_id}").text)
    assert f"POST https://acme.example/clicktodial/v1/clicktodialstatusnotify/{call_id}" in hidden
    assert "HTTP 503" in hidden and "HTTP 200" in hidden
    assert REFUSED.format(mask_number(callee)) in hidden
    assert callee not in hidden
    whole = html.unescape(client.get(f"/calls/{call_id}/numbers").text)
    assert REFUSED.format(callee) in whole


def test_request_to_a_sink_is_shown_as_it_is_sent(origin: str, world: World) -> None:
    client = Client(origin, world.tokens[Role.OWNER])
    call_id = world.ids[ACME]["call_id"].removesuffix(f"{RECORDED:024x}") + f"{RECORDED + 1:024x}"
    this = _EVENT.call_id == call_id, _EVENT.seq == 1
    with world.engine.begin() as connection:
        payload = connection.execute(select(_EVENT.payload).where(*this)).scalar_one()
        sink = "https://sink.example"
        event = decode_event(payload)
        event = replace(event, callee=f"+{event.callee}", api=CallApi.CAMARA, sink_origin=sink)
        change = {"payload": encode_event(event), "sink_origin": sink}
        connection.execute(update(table.call_event).where(*this).values(change))
    page = html.unescape(client.get(f"/calls/{call_id}").text)
    assert "POST https://sink.example/…" in page
    assert '"specversion": "1.0"' in page
    assert '"callee": "+8613***' in page
