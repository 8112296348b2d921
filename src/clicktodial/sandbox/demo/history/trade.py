"""What the enterprise has and uses: packages, numbers, applications, members, lists, templates."""

from collections.abc import Sequence
from datetime import timedelta

from clicktodial.accounts.do_not_call import ListPlace
from clicktodial.accounts.number import NewNumber
from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import PoolSettings
from clicktodial.domain.member import MemberProfile
from clicktodial.domain.message import Channel, TemplateRecipient
from clicktodial.domain.minutes import CapPeriod, CapScope
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.protection import NO_CAPS, CallCaps, ListKind
from clicktodial.domain.rating import Tariff
from clicktodial.domain.trunk import Trunk
from clicktodial.messaging.template import NewTemplate
from clicktodial.sandbox.demo.history.cast import DEPARTMENTS, FREE_NUMBERS, MEMBERS, SPONSORS
from clicktodial.sandbox.demo.history.customer import order_numbers
from clicktodial.sandbox.demo.history.desk import Desk
from clicktodial.storage.administration import NewApplication

_MICROS = 1_000_000
# How often members may be callers: some as often as they like.
_CAPS = (
    CallCaps(per_day=60, per_month=900),
    NO_CAPS,
    CallCaps(per_day=40, per_month=600),
    CallCaps(per_day=120, per_month=2_000),
)
# The later members call all day: bustle.py.
_CAPPED = 12


def sell_packages(desk: Desk, enterprise_id: str, *, times: int = 1) -> None:
    """A pool where there is none, a package every month, one for the season, and overage; of
    `times` as many minutes as a few hundred calls need."""
    settings = PoolSettings(Tariff(), alert_emails=("zhao.min@harbour.example",))
    desk.pools.set_up(OPERATOR_PRINCIPAL, enterprise_id, settings, desk.began)
    month = desk.began.astimezone(desk.zone).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    for new in (
        NewPackage(
            kind=PackageKind.MONTHLY,
            name=f"商务畅聊 Business {1_000 * times}",
            seconds=1_000 * times * 60,
            price_micros=120 * times * _MICROS,
            valid_from=month.astimezone(desk.now.tzinfo),
            carry_months=1,
        ),
        NewPackage(
            kind=PackageKind.ONE_OFF,
            name="旺季加油包 Season pack",
            seconds=500 * times * 60,
            price_micros=70 * times * _MICROS,
            valid_from=desk.began,
            valid_until=desk.now + timedelta(days=60),
        ),
        NewPackage(
            kind=PackageKind.OVERAGE,
            name="套餐外 Overage",
            seconds=10_000 * 60,
            micros_per_minute=150_000,
            valid_from=desk.began,
        ),
    ):
        desk.pools.add_package(OPERATOR_PRINCIPAL, enterprise_id, new, desk.began)


def set_caps(desk: Desk, enterprise_id: str) -> None:
    """No member shall use more than ten hours a month."""
    desk.pools.set_cap(
        OPERATOR_PRINCIPAL,
        enterprise_id,
        scope=CapScope.MEMBER,
        key="*",
        period=CapPeriod.MONTH,
        limit_s=10 * 3_600,
    )


def add_trunks(desk: Desk) -> None:
    """Two carriers that are not asked anything, and that no call is given to any more."""
    trunks = (
        Trunk("unicom-beijing", "sip.unicom.example", 5060, priority=200, channels_max=120,
              calls_per_second_max=20, options_interval_s=0),
        Trunk("telecom-backup", "sip.telecom.example", 5060, priority=300, channels_max=60,
              options_interval_s=0),
    )  # fmt: skip
    for trunk in trunks:
        desk.administration.add_trunk(trunk)
        desk.administration.set_trunk_enabled(trunk.name, enabled=False)


def add_numbers(desk: Desk, enterprise_id: str) -> None:
    """The enterprise's own, some that are free, and an order that waits for its review."""
    order_numbers(desk, enterprise_id, list(SPONSORS[:6]), desk.began + timedelta(hours=3))
    for written in (*SPONSORS[6:], *FREE_NUMBERS):
        desk.numbers.inventory.add(NewNumber(number=written), desk.began)
    desk.numbers.orders.place(
        desk.who("demo"), enterprise_id, list(SPONSORS[6:8]), desk.ago(hours=5)
    )
    rejected = desk.numbers.orders.place(
        desk.who("demo"), enterprise_id, list(FREE_NUMBERS[:2]), desk.ago(days=9)
    )
    desk.business.work_orders.decide(
        desk.who("reviewer"),
        rejected.work_order_id,
        approved=False,
        reason="这些号码属于上海，而贵公司在北京 These numbers are of Shanghai",
        now=desk.ago(days=8),
    )


def add_application(
    desk: Desk,
    enterprise_id: str,
    name: str,
    app_id: str,
    sponsors: Sequence[str],
    *,
    secret: str | None = None,
) -> str:
    """One without an address yet, so that nothing of the past is told to anybody."""
    new = NewApplication(app_id=app_id, secret=secret, name=name, enterprise_id=enterprise_id)
    desk.administration.create_application(new, now=desk.began)
    for written in sponsors:
        desk.numbers.inventory.assign(OPERATOR_PRINCIPAL, app_id, written)
    return app_id


def add_members(desk: Desk, enterprise_id: str) -> list[str]:
    """In three departments; returns their numbers."""
    numbers = []
    for place, name in enumerate(MEMBERS):
        profile = MemberProfile(
            e164=f"+86137010{place:05}",
            name=name,
            department=DEPARTMENTS[place % len(DEPARTMENTS)],
            employee_id=f"H{1001 + place}",
            caps=_CAPS[place % len(_CAPS)] if place < _CAPPED else NO_CAPS,
        )
        added = desk.members.add(enterprise_id, profile, now=desk.began + timedelta(minutes=place))
        numbers.append(added.profile.e164)
    return numbers


def add_lists(desk: Desk, enterprise_id: str) -> None:
    """People who want no calls, of the enterprise and of the platform, and bad numbers."""
    own = ListPlace(ListKind.DO_NOT_CALL, enterprise_id)
    for place, reason in enumerate(
        ("客户要求 Asked us not to call", "投诉 Complaint", "空号 Dead")
    ):
        desk.lists.add(
            own,
            f"1390000{1000 + place}",
            reason=reason,
            source="hotline",
            added_by=desk.who("demo").name,
            now=desk.ago(days=20 - place),
        )
    operator = desk.who("operator").name
    desk.lists.add(
        ListPlace(ListKind.DO_NOT_CALL),
        "13700009999",
        reason="全国谢绝来电名单 Register of those who want no calls",
        added_by=operator,
        now=desk.ago(days=30),
    )
    desk.lists.blacklist(
        "+861390001", is_prefix=True, reason="Fraud", added_by=operator, now=desk.ago(days=11)
    )


def add_templates(desk: Desk, app_id: str) -> str:
    """One in use, one in review, one that was refused, and a draft; returns the one in use."""
    owner, templates = desk.who("demo"), desk.templates
    texts = (
        (TemplateRecipient.CALLEE, "【港湾快递】感谢接听，回拨请致电 {sponsor}。"),
        (TemplateRecipient.CALLER, "通话 {duration}，对方 {other}。"),
        (TemplateRecipient.BOTH, "【港湾快递】点击链接领取大奖！"),
        (TemplateRecipient.CALLER, "Your call of {time} lasted {duration}."),
    )
    made = []
    for days, (recipient, text) in zip((30, 1, 12, 2), texts, strict=True):
        new = NewTemplate(recipient=recipient, channel=Channel.SMS, text=text, values={})
        made.append(templates.create(owner, app_id, new, now=desk.ago(days=days)))
    for number, verdict in ((0, True), (2, False), (1, None)):
        at = made[number].created_at
        sent = templates.submit(owner, app_id, made[number].template_id, now=at)
        if verdict is not None:
            assert sent.work_order_id is not None
            desk.business.work_orders.decide(
                desk.who("reviewer"),
                sent.work_order_id,
                approved=verdict,
                reason="" if verdict else "营销内容 Advertising is not allowed after calls",
                now=at + timedelta(hours=4),
            )
    return made[0].template_id
