"""Predictions and feedback to evidence to alarms.

In come blocks of questions, answers and losses; out come a monitor's next state and alarms: of a test at most once a version, of a
limit whenever a block breaks it.
It refuses to know who served, what is done about an alarm, and what time it is.
"""
