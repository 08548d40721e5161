"""systemd's time spans and the calendar expressions that cloud images meet."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

UNITS = {
    "us": 1e-6, "ms": 1e-3, "": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60,
    "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
SHORTHANDS = {"minutely": 60, "hourly": 3600, "daily": 86400, "weekly": 604800}
STEPS = re.compile(r"\*-\*-\* \*:(?:0?0|\*)/(\d+)(?::00)?|\*:(?:0?0|\*)/(\d+)(?::00)?")
SPAN = re.compile(r"([\d.]+)\s*([a-z]*)")


def seconds(text: str) -> float:
    """`1h 30min` in seconds. Raises ValueError."""
    if text.strip().lower() == "infinity":
        return float("inf")
    parts = SPAN.findall(text)
    if not parts or SPAN.sub("", text).strip() or any(unit not in UNITS for _, unit in parts):
        raise ValueError(f"not a time span: {text}")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def next_elapse(expression: str, after: datetime) -> datetime | None:
    """When the OnCalendar expression is next due; None when it lies in the past. Raises ValueError for others."""
    if expression in SHORTHANDS or (step := STEPS.fullmatch(expression)):
        period = SHORTHANDS.get(expression) or 60 * int(next(filter(None, step.groups())))  # type: ignore[union-attr]
        return datetime.fromtimestamp((after.timestamp() // period + 1) * period, UTC)
    moment = datetime.fromisoformat(expression.removesuffix("UTC").strip().replace(" ", "T").removesuffix("Z"))
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return moment if moment > after else None


def now() -> datetime:
    return datetime.now(UTC)


def shutdown_time(text: str) -> datetime:
    """The time argument of `shutdown`: now, +MINUTES or HH:MM. Raises ValueError."""
    if text in ("now", "+0"):
        return now()
    if text.startswith("+") or text.isdigit():
        return now() + timedelta(minutes=int(text))
    hour, minute = map(int, text.split(":"))
    today = now().replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now() else today + timedelta(days=1)
