"""Pages for people: a run's card, a comparison, and what a notebook shows, as HTML that needs nothing else.

In come gathered records and figures; out goes markup in which everything of a user's is escaped.
It refuses to know stores, and asks for nothing over a network: no script, no font, no picture from elsewhere.
"""
