"""Types that skops does not trust by itself and Noria does, by full name, each group with its reason.

skops trusts scikit-learn's public estimators and numpy's and scipy's ufuncs. What else a fitted model holds is here
when making it from a file can do nothing but set fields: no constructor, method or function of these opens a file,
starts a process, or evaluates text. A class of a project's own is never here; see `Artifacts(trusted=...)`.
"""

from __future__ import annotations

PLAIN = (  # containers and descriptions of types of the standard library and numpy; what they hold is judged by itself
    "builtins.frozenset",
    "collections.OrderedDict",
    "functools.partial",
    "numpy.dtype",
    "sklearn.utils._bunch.Bunch",
)

# Trees hold indices that scikit-learn follows without looking: a forged file could read any memory. We look at each
# of them before a model is made (see `forged`), and an artifact's bytes are those of its digest in the first place.
TREES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
)

_DISTANCES = (
    "BrayCurtis Canberra Chebyshev Dice Euclidean Hamming Haversine Jaccard Mahalanobis Manhattan Minkowski "
    "RogersTanimoto RussellRao SEuclidean SokalSneath"
)
_KERNELS = (
    "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern PairwiseKernel Product RBF "
    "RationalQuadratic Sum WhiteKernel"
)
_SPLITS = (
    "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut LeavePOut PredefinedSplit "
    "RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit "
    "TimeSeriesSplit _CVIterableWrapper"
)

# Parts of scikit-learn's own estimators: they hold numbers, and compute.
PARTS = (
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.cluster._bisect_k_means._BisectingTree",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.impute._iterative._ImputerTriplet",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
    "scipy.interpolate._bsplines.BSpline",
    *(
        f"sklearn.metrics._dist_metrics.{name}Distance{bits}"
        for name in _DISTANCES.split()
        for bits in (32, 64)
    ),
    *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS.split()),
    *(f"sklearn.model_selection._split.{name}" for name in _SPLITS.split()),
)

_NUMPY = (
    "abs array_equal asarray clip column_stack max mean median min nan_to_num ravel reshape round squeeze stack "
    "transpose where"
)
_UNIVARIATE = "chi2 f_classif f_oneway f_regression r_regression"
_RANKING = "average_precision_score ndcg_score roc_auc_score top_k_accuracy_score"
_CLASSIFICATION = (
    "accuracy_score balanced_accuracy_score brier_score_loss f1_score jaccard_score log_loss matthews_corrcoef "
    "precision_score recall_score"
)
_REGRESSION = (
    "explained_variance_score max_error mean_absolute_error mean_absolute_percentage_error mean_gamma_deviance "
    "mean_poisson_deviance mean_squared_error mean_squared_log_error median_absolute_error r2_score "
    "root_mean_squared_error root_mean_squared_log_error"
)

# Functions from arrays to arrays or numbers, that estimators are given as parameters.
FUNCTIONS = (
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.cluster._kmeans._kmeans_single_elkan",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "sklearn.utils.validation.check_array",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    *(f"numpy.{name}" for name in _NUMPY.split()),
    *(f"sklearn.feature_selection._univariate_selection.{name}" for name in _UNIVARIATE.split()),
    *(f"sklearn.metrics._ranking.{name}" for name in _RANKING.split()),
    *(f"sklearn.metrics._classification.{name}" for name in _CLASSIFICATION.split()),
    *(f"sklearn.metrics._regression.{name}" for name in _REGRESSION.split()),
)

# LightGBM's wrappers hold their parameters and the booster's own text, which LightGBM's parser reads.
LIGHTGBM = (
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMModel",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "lightgbm.sklearn._LGBMLabelEncoder",
)

# XGBoost's wrappers hold their parameters and the booster's own snapshot, which XGBoost's parser reads.
XGBOOST = (
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBModel",
    "xgboost.sklearn.XGBRanker",
    "xgboost.sklearn.XGBRegressor",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
)

TRUSTED = frozenset((*PLAIN, *TREES, *PARTS, *FUNCTIONS, *LIGHTGBM, *XGBOOST))
