"""Identifiers, each a type of its own so that one cannot stand where another belongs."""

from typing import NewType

import uuid_utils

AppId = NewType("AppId", str)
CallId = NewType("CallId", str)
RecordingId = NewType("RecordingId", str)
# A browser that waits to be a side of a call.
WebPhoneId = NewType("WebPhoneId", str)


def create_call_id() -> CallId:
    """A new call identifier: 32 hexadecimal digits, unique across nodes, ordered by time."""
    return CallId(uuid_utils.uuid7().hex)


def create_recording_id() -> RecordingId:
    """A new recording identifier, of the same form as a call's but never equal to one."""
    return RecordingId(uuid_utils.uuid7().hex)
