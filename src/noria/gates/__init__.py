"""Evidence to verdict: is a candidate good enough to be promoted?

In come metrics, and the losses of two versions on the same raw rows; out comes a judgement, a verdict a gate with
its evidence. It refuses to know how versions are trained, stored or served.
"""
