"""What use cases refuse with, in the language of whoever looks."""

import pytest

from clicktodial.control.error import PartyUnreachable
from clicktodial.domain.cause import Side
from clicktodial.domain.enterprise import EnterpriseMove, EnterpriseState, EnterpriseStateError
from clicktodial.domain.wording import worded, words_of
from clicktodial.portal.refusal import explain
from clicktodial.portal.text import load_words
from clicktodial.storage.error import AlreadyExists, Conflict, NotFound, ValueInvalid
from clicktodial.storage.value import check_range

CHINESE, ENGLISH = load_words()["zh-CN"], load_words()["en"]


def _invalid() -> ValueInvalid:
    with pytest.raises(ValueInvalid) as caught:
        check_range(70_000, "the port", low=0, high=65_535)
    return caught.value


def _handed_on() -> Conflict:
    error = EnterpriseStateError(EnterpriseState.CANCELLED, EnterpriseMove.SUSPEND)
    return Conflict(words_of(error))


@pytest.mark.parametrize(
    ("refusal", "english", "chinese"),
    [
        (_invalid(), "The port must be between 0 and 65535.", "端口须在 0 至 65535 之间。"),
        (
            _handed_on(),
            "An enterprise that is cancelled cannot suspend.",
            "企业当前状态为“已销户”，不能执行此操作。",
        ),
        (
            PartyUnreachable(
                worded(
                    "The %(side)s: %(obstacle)s",
                    side=Side.CALLEE,
                    obstacle=worded("no trunk carries the number"),
                )
            ),
            "The callee: no trunk carries the number.",
            "被叫：没有中继可以呼叫该号码。",
        ),
        (AlreadyExists(), "There is one of that name already.", "同名的已存在。"),
        # A name that somebody gave is no message, though there is one that is spelled like it.
        (
            NotFound(worded("there is no trunk %(name)s", name="Calls")),
            "There is no trunk Calls.",
            "没有中继 Calls。",
        ),
        # What was kept as text is taken apart.
        ("the number stands in row 7 already", None, "该号码已在第 7 行出现。"),
        ("the city has at most 64 printable characters", None, "城市最多 64 个可打印字符。"),
        ("something that nobody translates", None, "Something that nobody translates."),
        ("x" * 5_000, None, "X" + "x" * 4_999 + "."),
        ("", "", ""),
    ],
)
def test_refusal_is_said_in_both_languages(
    refusal: Exception | str, english: str | None, chinese: str
) -> None:
    assert explain(CHINESE, refusal) == chinese
    if english is not None:
        assert explain(ENGLISH, refusal) == english
