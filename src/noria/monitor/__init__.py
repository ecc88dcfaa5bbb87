"""Predictions and feedback to evidence to alarms.

In come matured blocks of losses; out come a monitor's next state and, at most once a version, an alarm.
It refuses to know who served, what is done about an alarm, and what time it is.
"""
