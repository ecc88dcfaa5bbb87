"""Fast exact models: a fitted estimator as one plain document, answered at the speed of its native library.

In comes a fitted estimator; out goes a document that answers as it does, bit for bit, and a verdict on that; or one
sentence that says why there is none. It refuses to know pipelines, stores and requests; what opens and runs a
document imports neither scikit-learn, nor a dataframe library, nor the Python packages of the boosters.
"""
