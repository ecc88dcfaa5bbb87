"""An alarm in words, for people who read it on their phone."""

from __future__ import annotations

from noria.records.alarms import Notice


def subject(notice: Notice) -> str:
    """One line."""
    about = f"{notice.alarm.model}:{notice.alarm.version} {notice.alarm.topic}"
    match notice.kind:
        case "test":
            return f"[noria] test: {about}"
        case "resolved":
            return f"[noria] resolved: {about}"
    return f"[noria] {notice.alarm.severity}: {about}"


def lines(notice: Notice) -> list[str]:
    """What happened, what is suspected, what to do; without what is not known."""
    alarm = notice.alarm
    told = [
        ("resolved", f"by {notice.by}: {notice.why}" if notice.kind == "resolved" else ""),
        ("what", alarm.why),
        ("suspected", alarm.cause),
        ("next", alarm.action),
        ("alarm", alarm.id),
        ("raised", f"{alarm.raised:%Y-%m-%d %H:%M} UTC"),
    ]
    return [f"{name}: {text}" for name, text in told if text]
