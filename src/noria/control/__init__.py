"""The durable loop: looks at what is stored, decides purely, and calls app's verbs.

In come the records and the time; out come verbs to carry out, each safe to repeat.
It refuses to know how a verb is done.
"""
