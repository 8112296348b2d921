"""People, sessions, mail and what was done. The tables of migration 0004."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from clicktodial.storage.instant import UtcMillis
from clicktodial.storage.table import (
    DETAIL_CHARACTERS_MAX,
    IDENTIFIER_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    WORD_CHARACTERS_MAX,
    metadata,
)

# RFC 5321 4.5.3.1.3, without the angle brackets.
EMAIL_CHARACTERS_MAX = 254
# SHA-256 in hexadecimal digits.
HASH_CHARACTERS = 64
WAITING_MAIL = text("state = 'waiting'")

# A person. Of one enterprise, or of the operator where `enterprise_id` is null.
person = Table(
    "person",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("account", String(IDENTIFIER_CHARACTERS_MAX), nullable=False, unique=True),
    Column("email", String(EMAIL_CHARACTERS_MAX), nullable=False, unique=True),
    Column("phone_encrypted", LargeBinary),
    Column("enterprise_id", ForeignKey("enterprise.id")),
    Column("roles", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("regions", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("password_hash", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("totp_secret_encrypted", LargeBinary),
    Column("is_totp_on", Boolean, nullable=False),
    Column("totp_step", BigInteger, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("seen_at", UtcMillis),
    Index("person_by_enterprise", "enterprise_id"),
)

# Who may become a person by the link in a mail: registered, invited or made by the operator. A
# person's account and address are taken only once that is done, so that nobody can hold another's.
enrolment = Table(
    "enrolment",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("token_hash", String(HASH_CHARACTERS), nullable=False, unique=True),
    Column("kind", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("account", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("email", String(EMAIL_CHARACTERS_MAX), nullable=False),
    Column("phone_encrypted", LargeBinary),
    Column("enterprise_id", ForeignKey("enterprise.id")),
    Column("enterprise_name", String(NAME_CHARACTERS_MAX)),
    Column("region", String(WORD_CHARACTERS_MAX)),
    Column("roles", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("regions", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("created_by", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("enrolment_by_email", "email"),
    Index("enrolment_by_enterprise", "enterprise_id"),
    Index("enrolment_by_expiry", "expires_at"),
)

# What the link in a mail about a forgotten password proves, once.
password_reset = Table(
    "password_reset",
    metadata,
    Column("token_hash", String(HASH_CHARACTERS), primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("password_reset_by_person", "person_id"),
    Index("password_reset_by_expiry", "expires_at"),
)

# The same of a new address of mail, which is proved by the link that goes there.
email_change = Table(
    "email_change",
    metadata,
    Column("token_hash", String(HASH_CHARACTERS), primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("email", String(EMAIL_CHARACTERS_MAX), nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Index("email_change_by_person", "person_id"),
    Index("email_change_by_expiry", "expires_at"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("code_hash", String(HASH_CHARACTERS), primary_key=True),
)

session = Table(
    "session",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("token_hash", String(HASH_CHARACTERS), nullable=False, unique=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("seen_at", UtcMillis, nullable=False),
    Column("expires_at", UtcMillis, nullable=False),
    Column("address", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Index("session_by_person", "person_id"),
    Index("session_by_expiry", "expires_at"),
)

# Attempts at an account or from an address, which `subject_hash` stands for.
attempt = Table(
    "attempt",
    metadata,
    Column("subject_hash", String(HASH_CHARACTERS), primary_key=True),
    Column("made", Integer, nullable=False),
    Column("last_at", UtcMillis, nullable=False),
    Column("blocked_until", UtcMillis, nullable=False),
    Index("attempt_by_time", "last_at"),
)

# The outbox; with the embedded mailbox, the mailbox too.
mail = Table(
    "mail",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("recipient", String(EMAIL_CHARACTERS_MAX), nullable=False),
    Column("subject", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String(WORD_CHARACTERS_MAX), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcMillis, nullable=False),
    Column("next_attempt_at", UtcMillis),
    Column("sent_at", UtcMillis),
    Column("last_error", String(DETAIL_CHARACTERS_MAX)),
    Index(
        "mail_waiting",
        "next_attempt_at",
        sqlite_where=WAITING_MAIL,
        postgresql_where=WAITING_MAIL,
    ),
)

# Append-only. `subjects` is JSON: what the operation was about, by name.
audit = Table(
    "audit",
    metadata,
    Column("id", String(IDENTIFIER_CHARACTERS_MAX), primary_key=True),
    Column("at", UtcMillis, nullable=False),
    Column("principal", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("roles", String(NAME_CHARACTERS_MAX), nullable=False),
    Column("address", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("operation", String(IDENTIFIER_CHARACTERS_MAX), nullable=False),
    Column("subjects", Text, nullable=False),
    Column("enterprise_id", String(IDENTIFIER_CHARACTERS_MAX)),
    Column("outcome", String(WORD_CHARACTERS_MAX), nullable=False),
    # What was at the same time is put in order when it is read: an identifier would double them.
    Index("audit_by_time", "at"),
    Index("audit_by_enterprise", "enterprise_id", "at"),
    Index("audit_by_principal", "principal", "at"),
    Index("audit_by_operation", "operation", "at"),
    Index("audit_by_both", "principal", "operation", "at"),
    Index("audit_by_enterprise_operation", "enterprise_id", "operation", "at"),
)
