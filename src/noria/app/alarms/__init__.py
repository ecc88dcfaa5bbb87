"""Alarms as people meet them: raised once, told to whom the project says, acknowledged, muted, resolved.

In come what the monitors found and what people say; out go events, and messages that survive a kill.
It refuses to know how a monitor found something.
"""
