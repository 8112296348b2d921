"""Who and what the past of the demonstration is about. Numbers are of ranges that fit; the people
and the companies are made up."""

from dataclasses import dataclass

from clicktodial.domain.principal import Role

# What the demonstration's enterprise is called from now on.
HARBOUR = "港湾快递 Harbour Couriers"
EAST, SOUTH, NORTH = "华东", "华南", "华北"


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody who may log in: the account, the role, and what they do, in words."""

    account: str
    role: Role
    about: str
    regions: tuple[str, ...] = ()


CUSTOMERS = (
    Part("demo", Role.OWNER, "owns the enterprise"),
    Part("lin.yue", Role.DEVELOPER, "writes its application"),
    Part("zhao.min", Role.FINANCE, "pays its bills"),
    Part("grace.chen", Role.READER, "looks on"),
)
STAFF = (
    Part("operator", Role.OPERATOR, "runs the platform"),
    Part("manager", Role.ACCOUNT_MANAGER, "looks after customers", (EAST, SOUTH, NORTH)),
    Part("reviewer", Role.REVIEWER, "decides on papers"),
    Part("support", Role.SUPPORT, "answers tickets"),
)
# The password of all of these but the two that are told; see people.py.
DEPARTMENTS = ("调度 Dispatch", "销售 Sales", "客服 Care")
MEMBERS = (
    "王芳", "李强", "张敏", "刘洋", "陈静", "杨磊", "赵丽", "黄伟", "周杰", "吴倩",
    "徐浩", "孙婷", "马超", "朱琳", "胡斌", "Emily Carter", "Daniel Wu", "Sophie Martin",
    "James Liu", "Anna Petrova", "何雪", "郭涛", "林娜", "Oliver Smith",
)  # fmt: skip
SPONSORS = tuple(f"010526801{number:02}" for number in range(12))
FREE_NUMBERS = tuple(f"021680100{number:02}" for number in range(12))


@dataclass(frozen=True, slots=True)
class Prospect:
    """A company that is on its way: how far, and where."""

    name: str
    region: str
    contact: str
    email: str
    note: str
    stage: str


PROSPECTS = (
    Prospect("银湖医疗 Silver Lake Clinics", EAST, "沈岚", "shen@silver-lake.example",
             "Appointment reminders, some 4000 calls a month", "active"),
    Prospect("青松物业 Evergreen Estates", EAST, "顾明", "gu@evergreen.example",
             "Tenants shall not see the caretakers' numbers", "approved"),
    Prospect("山海旅行 Peak & Sea Travel", SOUTH, "Mei Tanaka", "mei@peak-sea.example",
             "Guides call guests abroad", "in-review"),
    Prospect("知行教育 Learnwell", NORTH, "罗成", "luo@learnwell.example",
             "Teachers call parents", "rejected"),
    Prospect("云帆科技 Cloud Sail", SOUTH, "Victor Hugo Lima", "victor@cloud-sail.example",
             "Wants numbers of five cities", "engaged"),
    Prospect("花信鲜花 Bloom & Post", EAST, "唐宁", "tang@bloom-post.example",
             "Called the hotline", "submitted"),
    Prospect("启明星招聘 Daystar Jobs", NORTH, "Karen Blake", "karen@daystar.example",
             "Too many calls to strangers", "declined"),
    Prospect("老街茶馆 Old Lane Tea", SOUTH, "冯雪梅", "feng@old-lane.example",
             "Prefers to wait until spring", "withdrawn"),
    Prospect("飞鹿出行 Swift Deer Rides", SOUTH, "Ahmed Khan", "ahmed@swift-deer.example",
             "Drivers and passengers", "suspended"),
)  # fmt: skip
