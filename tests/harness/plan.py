"""How a database goes about what a use case asks it: its plans, not the time that it takes."""

from collections.abc import Callable

from sqlalchemy import Engine, event


def read_plans(engine: Engine, work: Callable[[], object]) -> list[str]:
    """What EXPLAIN says of each SELECT of `work`, a text for each.

    PostgreSQL reads all of a table that is small, whatever indexes it has: it is told that this
    costs much, so that what it says is whether an index serves.
    """
    asked: list[tuple[str, object]] = []

    def note(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT"):
            asked.append((str(arguments[2]), arguments[3]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    is_sqlite = engine.dialect.name == "sqlite"
    plans = []
    with engine.begin() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in asked:
            explain = f"{'EXPLAIN QUERY PLAN' if is_sqlite else 'EXPLAIN'} {statement}"
            rows = connection.exec_driver_sql(explain, parameters)  # type: ignore[arg-type]
            plans.append("\n".join(str(row[-1]) for row in rows))
    assert plans, "nothing was asked"
    return plans
