"""Makes HTML of a template. Blocks and macros are compiled once; what is shown is always escaped.

The macros of templates/component/ are at hand in every template by their file's name: `ui`,
`field`, `table`, `chart`. A part of a page is one of its blocks, so that what htmx asks for later
is the same as what stood there at first.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clicktodial.domain.password import PASSWORD_CHARACTERS_MIN
from clicktodial.portal.axis import create_axis

# In this order: each may use those before it.
COMPONENTS = ("icon", "field", "ui", "table", "chart")


class Renderer:
    """All templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("clicktodial.portal", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            # All of them: none is compiled twice.
            cache_size=-1,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        )
        self._environment.globals["password_min"] = PASSWORD_CHARACTERS_MIN
        self._environment.globals["create_axis"] = create_axis
        # Installed for each rendering, which knows the language: see GettextCalls.
        self._environment.newstyle_gettext = True  # type: ignore[attr-defined]

    def render(self, name: str, context: Mapping[str, Any], part: str = "") -> bytes:
        """The whole page, or the block that `part` names, where the template has it."""
        values = dict(context)
        for each in COMPONENTS:
            template = self._environment.get_template(f"component/{each}.html")
            values[each] = template.make_module(values)
        template = self._environment.get_template(name)
        block = template.blocks.get(part)
        if block is None:
            return template.render(values).encode()
        return self._environment.concat(block(template.new_context(values))).encode()

    def compile_all(self) -> None:
        """Now, so that the first who opens a page need not wait for it."""
        for name in self._environment.list_templates(["html"]):
            self._environment.get_template(name)
