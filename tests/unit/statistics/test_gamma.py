"""The logarithm of the Gamma function, beside the standard library's."""

import math

import numpy as np

from noria.statistics.gamma import log_gamma


def test_it_is_the_standard_librarys_from_the_smallest_priors_to_the_largest_counts() -> None:
    x = np.concatenate([np.geomspace(1e-6, 1e9, 500), np.arange(1.0, 60.0) / 2.0])
    expected = np.array([math.lgamma(one) for one in x])
    np.testing.assert_allclose(log_gamma(x), expected, rtol=1e-14, atol=1e-14)
    assert log_gamma(x.reshape(13, -1)).shape == (13, 43)
