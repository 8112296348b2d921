"""`clicktodial mail`: what people were written; with the embedded mailbox, where it is read."""

from typing import Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.people import open_people

app = typer.Typer(no_args_is_help=True, help="Mail to people.")

LISTED_DEFAULT = 20
# More than anybody reads in a terminal.
LISTED_MAX = 1_000


@app.command("list")
def list_all(
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=LISTED_MAX, help="How many at most.")
    ] = LISTED_DEFAULT,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the newest mails, without their texts."""
    with open_people(config) as cases:
        mails = cases.outbox.list_mails(limit=limit)
    rows = [
        (each.mail_id, each.created_at, each.to, each.state, each.attempts, each.subject)
        for each in mails
    ]
    headings = ("MAIL", "QUEUED", "TO", "STATE", "TRIES", "SUBJECT")
    answer = [
        {
            "mail_id": each.mail_id,
            "created_at": each.created_at,
            "to": each.to,
            "subject": each.subject,
            "state": each.state,
            "attempts": each.attempts,
            "last_error": each.last_error,
        }
        for each in mails
    ]
    tell(answer, format_table(headings, rows, empty="There are no mails."), as_json=as_json)


@app.command("show")
def show(
    mail_id: Annotated[str, typer.Argument(metavar="MAIL", help="Its identifier.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a mail whole; its text is empty once an SMTP server took it."""
    with open_people(config) as cases:
        mail = cases.outbox.show_mail(mail_id)
    fields = format_fields(
        [
            ("Mail", mail.mail_id),
            ("To", mail.to),
            ("Subject", mail.subject),
            ("State", mail.state),
            ("Queued", mail.created_at),
            ("Tries", mail.attempts),
            ("Next try", mail.next_attempt_at),
            ("Sent", mail.sent_at),
            ("Last error", mail.last_error),
        ]
    )
    tell(mail, f"{fields}\n\n{mail.text}".rstrip(), as_json=as_json)
