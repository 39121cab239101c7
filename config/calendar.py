"""Times of systemd.time(7), "Calendar events": what a timer's OnCalendar= takes."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = rf"({'|'.join(f'{name}|{name[:3]}' for name in _NAMES)})"
_DAYS = rf"{_DAY}((\.\.|-|,){_DAY})*"
_NAMED = "minutely|hourly|daily|monthly|weekly|yearly|annually|quarterly|semiannually"
_YEAR, _MONTH, _DAY_OF_MONTH = r"(19[7-9][0-9]|2[0-9]{3})", r"(0?[1-9]|1[0-2])", r"(0?[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = r"([01]?[0-9]|2[0-3])", r"[0-5]?[0-9]"


def _list(number: str, step: str) -> str:
    """Return one part: `*`, numbers, ranges and steps of them, with commas between."""
    one = rf"(\*|{number}(\.\.{number})?)(/{step})?"
    return rf"{one}(,{one})*"


_STEP = r"[1-9][0-9]?"
_DATE = rf"({_list(_YEAR, _STEP)}-)?{_list(_MONTH, _STEP)}[-~]{_list(_DAY_OF_MONTH, _STEP)}"
_TIME = rf"{_list(_HOUR, _STEP)}:{_list(_SIXTY, _STEP)}(:{_list(_SIXTY, _STEP)})?"
_ZONE = r"(UTC|[A-Z][A-Za-z_+-]+(/[A-Z][A-Za-z0-9_+-]+)*)"
_WHOLE = re.compile(rf"({_NAMED}|({_DAYS})?( ?{_DATE})?( ?{_TIME})?)( {_ZONE})?")


def _in_order(value: str) -> bool:
    """Return whether each range of days or numbers begins before it ends: systemd takes no other."""
    order = [name[:3] for name in _NAMES]
    days = re.findall(rf"{_DAY}(?:\.\.|-){_DAY}", value)
    numbers = re.findall(r"([0-9]+)\.\.([0-9]+)", value)
    return all(order.index(first[:3]) < order.index(last[:3]) for first, last in days) and all(
        int(first) <= int(last) for first, last in numbers
    )


_SHORT = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
"""Month -> its last day, of those that have less than 31."""


def _there_is_such_a_day(value: str) -> bool:
    """Return whether the month has the day: systemd takes a day that never comes."""
    date = re.search(r"(?<![0-9,.])([0-9]{1,2})-([0-9]{1,2})(?![0-9,./])", value)
    return date is None or int(date[2]) <= _SHORT.get(int(date[1]), 31)


def _zone_is_known(value: str) -> bool:
    """Return whether a time zone's name is one; also where this computer knows none at all."""
    name = value.rpartition(" ")[2]
    if not re.fullmatch(r"[A-Z][A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*", name) or re.fullmatch(_DAYS, name):
        return True
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        return True
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return False
    return True


def calendar(value: str) -> str:
    """Return a calendar event. Raises ValueError for what no timer could be started with.

    Stricter than systemd in what nobody writes by hand, as fractions of seconds.
    """
    if not value or value[0] == " " or not _WHOLE.fullmatch(value) or not _in_order(value):
        raise ValueError("must be a time of systemd.time(7); write it as *-*-* 03:30:00, daily or Mon 04:00")
    if not _there_is_such_a_day(value):
        raise ValueError("must be a day that its month has, or it would never come; write another")
    if not _zone_is_known(value):
        raise ValueError("must end in a time zone that there is, or in none; write it as Europe/Berlin or UTC")
    return value
