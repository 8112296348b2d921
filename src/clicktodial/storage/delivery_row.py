"""What became of a delivery, in the columns that events and alerts have for it."""

from typing import Any, Final

from sqlalchemy import Row

from clicktodial.control.delivery import DeliveryAnswer, DeliveryMark, DeliveryState
from clicktodial.storage.call_row import clean_detail
from clicktodial.storage.instant import to_millis, to_millis_or_none
from clicktodial.storage.statement import Parameters

MARK_COLUMNS = (
    "delivery_state",
    "attempts",
    "next_attempt_at",
    "delivered_at",
    "last_error",
    "answer_status",
    "answered_at",
    "answer_text",
)
# As if never tried, by column.
WAITING: Final[dict[str, Any]] = {
    **dict.fromkeys(MARK_COLUMNS),
    "delivery_state": DeliveryState.PENDING.value,
    "attempts": 0,
}


def mark_parameters(mark: DeliveryMark) -> Parameters:
    """In the order of MARK_COLUMNS."""
    error, answer = mark.last_error, mark.answer
    return (
        mark.state.value,
        mark.attempts,
        to_millis_or_none(mark.next_attempt_at),
        to_millis_or_none(mark.delivered_at),
        None if error is None else clean_detail(error),
        *(
            (None, None, None)
            if answer is None
            else (answer.status, to_millis(answer.at), answer.text)
        ),
    )


def read_answer(row: Row[Any]) -> DeliveryAnswer | None:
    """The last answer that the row tells of."""
    if row.answer_status is None:
        return None
    return DeliveryAnswer(row.answer_status, row.answered_at, row.answer_text)
