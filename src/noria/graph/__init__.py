"""Raw rows to answers: the one serving graph, used by training's checks, by the gates and by the service.

In come a version's pipeline, its frozen outputs and a table of raw rows; out come answers, a row each.
It refuses to know requests, runs, versions' numbers and where anything is stored.
"""
