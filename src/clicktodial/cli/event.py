"""`clicktodial events`: notifications that are to be delivered once more."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import typer

from clicktodial.cli.option import AppId, CallIdArgument, Config, Json
from clicktodial.cli.output import tell
from clicktodial.cli.session import open_replays

app = typer.Typer(no_args_is_help=True, help="Status notifications.")

WithDelivered: TypeAlias = Annotated[
    bool, typer.Option("--with-delivered", help="Also those that were delivered.")
]


@app.command("replay")
def replay(
    call_id: CallIdArgument,
    *,
    seq: Annotated[
        int | None, typer.Option("--seq", min=1, metavar="N", help="The one of that number alone.")
    ] = None,
    with_delivered: WithDelivered = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Deliver again those notifications of a call that were given up."""
    with open_replays(config) as replays:
        from clicktodial.storage.event_replay import CallReplay

        wanted = CallReplay(call_id=call_id, seq=seq, with_delivered=with_delivered)
        count = replays.replay_call(wanted).count
    text = f"{count} notifications of call {call_id} wait to be delivered again."
    tell({"call_id": call_id, "revived": count}, text, as_json=as_json)


@app.command("replay-range")
def replay_range(
    app_id: AppId,
    *,
    since: Annotated[
        datetime, typer.Option("--since", metavar="TIME", help="The first moment, in UTC.")
    ],
    until: Annotated[
        datetime, typer.Option("--until", metavar="TIME", help="The moment behind the last.")
    ],
    with_delivered: WithDelivered = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Deliver again those notifications of an application's calls that were given up then."""
    count = 0
    with open_replays(config) as replays:
        from clicktodial.storage.event_history import EventPlace
        from clicktodial.storage.event_replay import RangeReplay

        place: EventPlace | None = EventPlace(since.replace(tzinfo=UTC), "", 0)
        while place is not None:
            done = replays.replay_range(
                app_id,
                RangeReplay(
                    after=place, until=until.replace(tzinfo=UTC), with_delivered=with_delivered
                ),
            )
            count, place = count + done.count, done.last
    text = f"{count} notifications of application {app_id} wait to be delivered again."
    tell({"app_id": app_id, "revived": count}, text, as_json=as_json)
