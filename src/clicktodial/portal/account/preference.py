"""Language, theme and time zone: kept by the browser, so that they hold before one logs in."""

from zoneinfo import available_timezones

from clicktodial.portal import session_cookie as cookie
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import (
    ANYBODY,
    QUERY_CHARACTERS_MAX,
    THEMES,
    Action,
    Answer,
    Redirect,
    Visit,
    own_path,
)
from clicktodial.portal.text import LANGUAGES


class PreferencePages:
    """What is done, on every page's foot and on one's own."""

    def __init__(self, needs: ConsoleNeeds) -> None:
        self._needs = needs

    async def change(self, visit: Visit) -> Answer:
        """POST /preferences: those that are sent; what is none of the choices changes nothing."""
        form = await visit.read_form()
        chosen: dict[str, str] = {}
        language = form.text("language", is_required=False)
        if language in {each.code for each in LANGUAGES}:
            chosen[cookie.LANGUAGE] = language
        theme = form.text("theme", is_required=False)
        if theme in THEMES:
            chosen[cookie.THEME] = theme
        zone = form.text("zone", is_required=False)
        if zone in available_timezones():
            chosen[cookie.ZONE] = zone
        back = form.text("back", is_required=False, characters_max=QUERY_CHARACTERS_MAX)
        return Redirect(own_path(back) or visit.link("home"), cookies=chosen)

    def actions(self) -> list[Action]:
        """What is done."""
        return [
            Action(
                operation="setPreferences",
                path="/preferences",
                roles=ANYBODY,
                handle=self.change,
                is_audited=False,
            )
        ]
