"""One function for each thing that a user wants done, and the wiring.

In come a project and a wish; out come records that a skin renders, or a typed error.
It refuses to know terminals, HTTP and what time it is.
"""
