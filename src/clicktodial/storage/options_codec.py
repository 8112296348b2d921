"""Options of trunks, applications and enterprises as the JSON of one column each.

They are read with what they belong to and never searched for, and new ones come with
every version: a column each would make a migration of each.
"""

from typing import TypeVar

import msgspec

from clicktodial.domain.application import EnterpriseLimits
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.trunk import NumberFormat, SrtpPolicy, Trunk, TrunkTls
from clicktodial.domain.wording import worded
from clicktodial.storage.error import OptionsUnreadable, ValueInvalid
from clicktodial.storage.value import DURATION_S_MAX, check_audio_name, check_range

# From the caller's answer on. Whoever has pressed no key by then is not there, and the caller's
# leg costs money meanwhile.
PRESENCE_TIMEOUT_S_MAX = 120
# Above what one node places and carries; a typing error must not read as "no limit".
LIVE_CALLS_MAX = 100_000
CALLS_PER_SECOND_MAX = 10_000


class TrunkSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a trunk's own columns do not hold, its password excepted. See domain.trunk.Trunk."""

    weight: int = 1
    prefixes: tuple[str, ...] = ()
    number_format: NumberFormat = NumberFormat.E164_PLUS
    region: str = "CN"
    headers: tuple[tuple[str, str], ...] = ()
    calls_per_second_max: int = 0
    channels_max: int = 0
    username: str | None = None
    tls: TrunkTls = TrunkTls()
    registers: bool = False
    registration_expires_s: int = 600
    options_interval_s: int = 30
    charging_vector: bool = False
    signs_calls: bool = True
    privacy: tuple[str, ...] = ("id",)
    session_expires_s: int = 1_800
    srtp: SrtpPolicy = SrtpPolicy.NEVER
    codecs: tuple[str, ...] = ()
    cost_per_minute_micros: int = 0


_T = TypeVar("_T")
_trunk_decoder = msgspec.json.Decoder(TrunkSettings)
_options_decoder = msgspec.json.Decoder(CallOptions)
_limits_decoder = msgspec.json.Decoder(EnterpriseLimits)


def encode_trunk_settings(trunk: Trunk) -> str:
    """The column's text."""
    settings = TrunkSettings(
        weight=trunk.weight,
        prefixes=trunk.prefixes,
        number_format=trunk.number_format,
        region=trunk.region,
        headers=trunk.headers,
        calls_per_second_max=trunk.calls_per_second_max,
        channels_max=trunk.channels_max,
        username=None if trunk.credentials is None else trunk.credentials.username,
        tls=trunk.tls,
        registers=trunk.registers,
        registration_expires_s=trunk.registration_expires_s,
        options_interval_s=trunk.options_interval_s,
        charging_vector=trunk.charging_vector,
        signs_calls=trunk.signs_calls,
        privacy=trunk.privacy,
        session_expires_s=trunk.session_expires_s,
        srtp=trunk.srtp,
        codecs=trunk.codecs,
        cost_per_minute_micros=trunk.cost_per_minute_micros,
    )
    return msgspec.json.encode(settings).decode()


def decode_trunk_settings(text: str) -> TrunkSettings:
    """The inverse. A field that a newer version added is passed over; a value that this one does
    not know raises OptionsUnreadable."""
    return _decode(_trunk_decoder, text)


def check_options(options: CallOptions, sponsors: frozenset[str]) -> None:
    """Raises ValueInvalid. Numbers shown must be among the application's own."""
    for number in (options.shown_to_caller, options.shown_to_callee):
        if number is not None and number not in sponsors:
            raise ValueInvalid("a number to show must be one of the application's own")
    for seconds, what in (
        (options.caller_ring_timeout_s, worded("the caller's ring timeout")),
        (options.callee_ring_timeout_s, worded("the callee's ring timeout")),
        (options.max_duration_s, worded("the maximum duration")),
    ):
        if seconds is not None:
            check_range(seconds, what, low=1, high=DURATION_S_MAX)
    check_range(options.warning_before_end_s, "the warning's seconds", low=0, high=DURATION_S_MAX)
    check_range(
        options.presence_timeout_s, "the presence timeout", low=1, high=PRESENCE_TIMEOUT_S_MAX
    )
    for audio in audios_of(options):
        check_audio_name(audio)
    if not options.announcement_to or not options.warning_to:
        raise ValueInvalid("an announcement and a warning need a side that hears them")


def audios_of(options: CallOptions) -> list[str]:
    """The names of the operator's own audio that the options play."""
    named = (
        options.announcement,
        options.ringback_audio,
        options.warning_audio,
        options.presence_audio,
        options.hold_audio,
    )
    return [name for name in named if name is not None]


def check_limits(limits: EnterpriseLimits) -> None:
    """Raises ValueInvalid."""
    for limit, what, high in (
        (limits.live_calls_max, worded("the calls at a time"), LIVE_CALLS_MAX),
        (limits.calls_per_second_max, worded("the calls per second"), CALLS_PER_SECOND_MAX),
        (limits.max_duration_s, worded("the maximum duration"), DURATION_S_MAX),
        (limits.ring_timeout_s_max, worded("the ring timeout"), DURATION_S_MAX),
    ):
        if limit is not None:
            check_range(limit, what, low=1, high=high)


def encode_call_options(options: CallOptions) -> str:
    """The column's text."""
    # Sets have no order; the text of equal options is to be equal.
    return msgspec.json.encode(options, order="deterministic").decode()


def decode_call_options(text: str) -> CallOptions:
    """The inverse, as for trunks."""
    return _decode(_options_decoder, text)


def encode_limits(limits: EnterpriseLimits) -> str:
    """The column's text."""
    return msgspec.json.encode(limits).decode()


def decode_limits(text: str) -> EnterpriseLimits:
    """The inverse, as for trunks."""
    return _decode(_limits_decoder, text)


def _decode(decoder: msgspec.json.Decoder[_T], text: str) -> _T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as error:
        raise OptionsUnreadable(f"stored options cannot be read: {error}") from error
