"""The style guide: all that pages are built of, for engineers. Served where the settings say so."""

from datetime import timedelta

from clicktodial.domain.principal import PERSON_ROLES
from clicktodial.portal.page import Action, Answer, Area, Page, Redirect, View, Visit
from clicktodial.portal.text import mark


async def show(visit: Visit) -> Answer:
    """GET /style"""
    form = visit.form(name="Zhang Wei", choice=["b"], note="", several=["a"])
    form.fail("note", mark("This is needed."))
    begun = visit.now - timedelta(minutes=2)
    moments = [
        {"at": begun, "title": "The application began the call"},
        {"at": begun + timedelta(seconds=4), "title": "Caller: answered", "tone": "good"},
        {"at": begun + timedelta(seconds=9), "title": "Callee busy", "tone": "bad", "text": "486"},
    ]
    points = [(f"{hour:02}:00", (hour * 7) % 23 + hour) for hour in range(24)]
    return View("style/style.html", {"form": form, "moments": moments, "points": points})


async def show_toast(visit: Visit) -> Answer:
    """POST /style/toast"""
    await visit.read_form()
    return Redirect(visit.link("style"), toast=visit.gettext("Saved."))


def create_style_area() -> Area:
    """Its page and its action."""
    page = Page(
        name="style", path="/style", title=mark("Style guide"), roles=PERSON_ROLES, show=show
    )
    action = Action(
        operation="showToast",
        path="/style/toast",
        roles=PERSON_ROLES,
        handle=show_toast,
        is_audited=False,
    )
    return Area([page], [action])
