"""Back ends: each keeps the promises of a port with one technology.

In come a port's sentences and the settings of one back end; out go a port's answers and errors. It refuses to know
any stage: an adapter imports ports, records and errors alone, and only the two wirings import an adapter.
"""
