"""A candidate before its gates: what they ask for is gathered, judged, and by whom it was approved is heard.

In come a version, registered or not, and the policy's gates; out goes a judgement, or a drill's report. It refuses to
know how versions are trained and served, and gathers nothing that no gate asks for.
"""
