"""The whole wheel on a virtual clock over historical data, through the live service.

In come a project, its history and a span of time; out come what happened, and the quality of what was answered
beside a model that was never retrained. It refuses to decide anything: production's own code decides.
"""
