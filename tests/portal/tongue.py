"""One language at a time: the demonstration's names and texts are in two, as its people are; a
picture is read by somebody who reads one."""

import re
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Engine, String, select, text, update
from sqlalchemy.sql.schema import Column

from clicktodial.storage.table import metadata

# Chinese first, then the same in English.
_BOTH = re.compile(
    r"(?P<chinese>.*[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e])\s*(?P<english>[A-Z][^{}\[\]]+)",
    re.DOTALL,
)
_REGIONS = {"华东": "East China", "华南": "South China", "华北": "North China"}


def _english(regions: str) -> str:
    for chinese, english in _REGIONS.items():
        regions = regions.replace(chinese, english)
    return regions


@dataclass(frozen=True, slots=True)
class _Saying:
    """What a column says in both, and in each."""

    column: Column[str]
    both: str
    chinese: str
    english: str


@dataclass(frozen=True, slots=True)
class Tongue:
    """All that a database of SQLite says in both; one that is thrown away afterwards."""

    engine: Engine
    sayings: tuple[_Saying, ...]

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """What it says in both now."""
        columns = [
            column
            for table in metadata.tables.values()
            for column in table.columns
            if isinstance(column.type, String) and not column.primary_key
        ]
        found = []
        with engine.begin() as connection:
            for column in columns:
                for both in connection.scalars(select(column).distinct()):
                    match = _BOTH.fullmatch(both or "")
                    if match is not None:
                        found.append(_Saying(column, both, match["chinese"], match["english"]))
                    elif both and column.name in ("region", "regions"):
                        found.append(_Saying(column, both, both, _english(both)))
            # What is only ever added to is guarded by triggers.
            for name in {each.column.table.name for each in found}:
                query = text("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name=:t")
                for [trigger] in connection.execute(query, {"t": name}).fetchall():
                    connection.execute(text(f'DROP TRIGGER "{trigger}"'))
        return cls(engine, tuple(found))

    def speak(self, language: str) -> None:
        """Say it in that language alone."""
        with self.engine.begin() as connection:
            for each in self.sayings:
                said = each.english if language == "en" else each.chinese
                others = {each.both, each.chinese, each.english} - {said}
                connection.execute(
                    update(each.column.table)
                    .where(each.column.in_(sorted(others)))
                    .values({each.column.name: said})
                )
