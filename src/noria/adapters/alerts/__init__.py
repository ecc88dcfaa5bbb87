"""Where alarms go, by the kind of their channel."""

from noria.adapters.alerts.opened import open_alert

__all__ = ["open_alert"]
