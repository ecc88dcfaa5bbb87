"""Evidence to verdict: is a candidate good enough to be promoted?

In comes what a gate asks for: metrics, the losses of two versions on the same raw rows, probabilities and what became of them,
answers to rows that were changed, latency and memory of a served worker, signatures, a proof, a person's word; out comes a
judgement, a verdict a gate with its evidence. It refuses to know how versions are trained, stored or served.
"""
