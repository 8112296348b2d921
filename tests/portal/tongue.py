"""One language at a time: the demonstration's names and texts are in two, as its people are; a
picture is read by somebody who reads one."""

import re
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Engine, String, text

from clicktodial.storage.table import metadata

# Chinese first, then the same in English.
_BOTH = re.compile(
    r"(?P<chinese>.*[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e])\s*(?P<english>[A-Z][^{}]+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Saying:
    """A value of a row that is said in both."""

    table: str
    column: str
    row: int
    chinese: str
    english: str


@dataclass(frozen=True, slots=True)
class Tongue:
    """All that a database of SQLite says in both."""

    engine: Engine
    sayings: tuple[_Saying, ...]

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """What it says in both now."""
        found = []
        with engine.connect() as connection:
            for table in metadata.tables.values():
                if not table.dialect_options["sqlite"]["with_rowid"]:
                    continue  # calls and their parts say nothing
                for column in table.columns:
                    if not isinstance(column.type, String):
                        continue
                    query = text(f'SELECT rowid, "{column.name}" FROM "{table.name}"')
                    for row, value in connection.execute(query):
                        match = _BOTH.fullmatch(value) if isinstance(value, str) else None
                        if match is not None:
                            found.append(
                                _Saying(table.name, column.name, row, match[1], match["english"])
                            )
        return cls(engine, tuple(found))

    def speak(self, language: str) -> None:
        """Say it in that language alone."""
        with self.engine.begin() as connection:
            for each in self.sayings:
                connection.execute(
                    text(f'UPDATE "{each.table}" SET "{each.column}" = :said WHERE rowid = :row'),
                    {"said": each.english if language == "en" else each.chinese, "row": each.row},
                )
