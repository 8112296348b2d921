"""Support in the past: tickets in every state, whose clocks run, and who is on call."""

from datetime import datetime, time, timedelta

from clicktodial.accounts.audit import DONE, AuditEntry
from clicktodial.accounts.roster import NewShift
from clicktodial.accounts.ticket import NewTicket
from clicktodial.domain.roster import Line, Span
from clicktodial.domain.ticket import (
    TicketCategory,
    TicketChannel,
    TicketLevel,
    TicketPriority,
    TicketQueue,
)
from clicktodial.sandbox.demo.history.desk import Desk

_ON_CALL = (("韩冰 Han Bing", "13800138001"), ("Peter Novak", "13800138002"))
ROSTER_DAYS = 14


def add_tickets(desk: Desk, enterprise_id: str, call_id: str, other_id: str) -> None:
    """Of the enterprise, and of another one that called the hotline."""
    _close_one(desk, enterprise_id, call_id)
    _answer_one(desk, enterprise_id)
    _escalate_one(desk, other_id)
    tickets, demo, support = desk.support.tickets, desk.who("demo"), desk.who("support")
    waiting = _open(
        desk,
        enterprise_id,
        "录音无法播放 A recording does not play",
        "自昨日起，部分录音下载后无法播放。\nSince yesterday some recordings do not play.",
        TicketCategory.RECORDING,
        TicketPriority.NORMAL,
        desk.ago(days=1, hours=4),
    )
    tickets.assign(
        support, waiting, queue=TicketQueue.SUPPORT, assignee=support.name, now=desk.ago(days=1)
    )
    tickets.write(
        support,
        waiting,
        "请提供一通有问题的通话标识。Which call, please?",
        desk.ago(hours=20),
        is_question=True,
    )
    resolved = _open(
        desk,
        enterprise_id,
        "十月账单的税号 Tax number on the bill",
        "请更新账单抬头。Please put our tax number on the bill.",
        TicketCategory.BILLING,
        TicketPriority.LOW,
        desk.ago(days=6),
    )
    tickets.resolve(support, resolved, "已更新。It is on the next bill.", desk.ago(days=4))
    again = _open(
        desk,
        enterprise_id,
        "成员导入失败 The import of members stops",
        "第 200 行之后全部失败。All lines after the 200th fail.",
        TicketCategory.MEMBER,
        TicketPriority.HIGH,
        desk.ago(days=3),
    )
    tickets.resolve(
        support, again, "请用 UTF-8 保存文件。Save the file as UTF-8.", desk.ago(days=2)
    )
    tickets.reopen(demo, again, "仍然失败。It still fails.", desk.ago(days=1, hours=20))
    _open(
        desk,
        enterprise_id,
        "上海号码何时可用 When can we have numbers of Shanghai?",
        "我们需要十个上海号码。We need ten of them.",
        TicketCategory.NUMBER,
        TicketPriority.NORMAL,
        desk.ago(hours=1, minutes=10),
    )


def _open(
    desk: Desk,
    enterprise_id: str,
    subject: str,
    text: str,
    category: TicketCategory,
    priority: TicketPriority,
    at: datetime,
    call_id: str | None = None,
) -> str:
    new = NewTicket(
        enterprise_id=enterprise_id,
        subject=subject,
        text=text,
        channel=TicketChannel.PORTAL,
        category=category,
        priority=priority,
        call_id=call_id,
    )
    return desk.support.tickets.open(desk.who("demo"), new, at)


def _close_one(desk: Desk, enterprise_id: str, call_id: str) -> None:
    """A fault that was found, mended and praised."""
    tickets, demo, support = desk.support.tickets, desk.who("demo"), desk.who("support")
    at = desk.ago(days=16)
    ticket_id = _open(
        desk,
        enterprise_id,
        "被叫听不到声音 The callee hears nothing",
        "对方说听不到我们的声音。They say that they cannot hear us.",
        TicketCategory.FAULT,
        TicketPriority.HIGH,
        at,
        call_id,
    )
    tickets.assign(
        support,
        ticket_id,
        queue=TicketQueue.SUPPORT,
        assignee=support.name,
        now=at + timedelta(minutes=6),
    )
    tickets.note(support, ticket_id, "Loss on the backup trunk only.", at + timedelta(minutes=25))
    tickets.write(
        support,
        ticket_id,
        "已定位到备用中继，正在处理。It is the backup trunk; we are at it.",
        at + timedelta(minutes=30),
    )
    tickets.resolve(support, ticket_id, "中继已恢复。The trunk is mended.", at + timedelta(hours=2))
    tickets.rate(demo, ticket_id, satisfaction=5, text="很快！Quick!", now=at + timedelta(hours=3))
    tickets.close(demo, ticket_id, at + timedelta(hours=3, minutes=1))


def _answer_one(desk: Desk, enterprise_id: str) -> None:
    """Support answered, and works on."""
    tickets, support = desk.support.tickets, desk.who("support")
    ticket_id = _open(
        desk,
        enterprise_id,
        "回拨显示的号码 Which number is shown on callbacks",
        "能否固定显示同一个号码？Can one number be shown always?",
        TicketCategory.BUSINESS_INQUIRY,
        TicketPriority.NORMAL,
        desk.ago(days=2, hours=3),
    )
    tickets.assign(
        support,
        ticket_id,
        queue=TicketQueue.SUPPORT,
        assignee=support.name,
        now=desk.ago(days=2, hours=2),
    )
    tickets.write(
        support,
        ticket_id,
        "可以，在呼叫设置里选择号码池。Yes: choose a pool of numbers in the call settings.",
        desk.ago(days=2),
    )


def _escalate_one(desk: Desk, enterprise_id: str) -> None:
    """An emergency of another customer that the second line works on, late."""
    tickets, support = desk.support.tickets, desk.who("support")
    new = NewTicket(
        enterprise_id=enterprise_id,
        subject="全部呼叫失败 All calls fail",
        text="自早上起全部呼叫失败。Every call fails since this morning.",
        channel=TicketChannel.HOTLINE_4001100868,
        category=TicketCategory.FAULT,
        priority=TicketPriority.EMERGENCY,
    )
    ticket_id = tickets.open(support, new, desk.ago(hours=6))
    tickets.assign(
        support,
        ticket_id,
        queue=TicketQueue.SUPPORT,
        assignee=support.name,
        now=desk.ago(hours=5, minutes=50),
    )
    tickets.escalate(
        support,
        ticket_id,
        level=TicketLevel.SECOND_LINE,
        reason="通知服务器无响应 Their notification server is silent",
        now=desk.ago(hours=5),
    )


def add_roster(desk: Desk) -> None:
    """Both lines take turns for the next days, with a gap that the operator is told of."""
    operator = desk.who("operator")
    today = datetime.combine(desk.now.astimezone(desk.zone).date(), time(9), desk.zone)
    for line in Line:
        for day in range(ROSTER_DAYS):
            begin = (today + timedelta(days=day)).astimezone(desk.now.tzinfo)
            if begin + timedelta(days=1) <= desk.now or (line is Line.THIRD and day == 9):
                continue
            name, phone = _ON_CALL[day % len(_ON_CALL)]
            new = NewShift(
                line=line,
                name=name,
                phone=phone,
                email=f"{line}@desk.example",
                span=Span(begin, begin + timedelta(days=1)),
            )
            desk.support.rosters.add_shift(operator, new, desk.now)
    festival = desk.now + timedelta(days=20)
    span = Span(festival, festival + timedelta(days=3))
    desk.support.rosters.add_period(operator, "双十二 Shopping festival", span, desk.now)


def add_audit(desk: Desk, enterprise_id: str, app_id: str) -> None:
    """What people did through the API and the console meanwhile, as its gates noted it."""
    done: tuple[tuple[int, str, str, dict[str, str]], ...] = (
        (30, "demo", "createApplication", {"app_id": app_id}),
        (30, "demo", "setNotifyUrl", {"app_id": app_id}),
        (28, "lin.yue", "rotateSecret", {"app_id": app_id}),
        (21, "zhao.min", "showStatement", {}),
        (14, "lin.yue", "changeOptions", {"app_id": app_id}),
        (9, "demo", "placeNumberOrder", {}),
        (6, "zhao.min", "showStatement", {}),
        (2, "demo", "submitTemplate", {"app_id": app_id}),
        (1, "grace.chen", "listCalls", {"app_id": app_id}),
    )
    entries = []
    for days, account, operation, subjects in done:
        person = desk.people[account]
        entries.append(
            AuditEntry(
                at=desk.ago(days=days, hours=2),
                principal=person.person_id,
                roles=tuple(sorted(person.roles)),
                address="203.0.113.24",
                operation=operation,
                subjects=subjects,
                enterprise_id=enterprise_id,
                outcome=DONE,
            )
        )
    desk.audit_log.add(entries)
