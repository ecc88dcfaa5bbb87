"""Progress of boosted trees: each evaluation's figures, logged an iteration.

lightgbm.train(..., callbacks=[noria.callbacks.lightgbm()])
xgboost.train(..., callbacks=[noria.callbacks.xgboost()])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from noria.inside.series import log


def lightgbm(prefix: str = "") -> Callable[[Any], None]:
    """A LightGBM callback that logs `valid/auc` for metric `auc` on the validation set `valid`."""

    def after_iteration(env: Any) -> None:
        found = {
            f"{prefix}{data}/{metric}": value for data, metric, value, *_ in env.evaluation_result_list or ()
        }
        log(found, step=env.iteration)

    after_iteration.order = 20  # type: ignore[attr-defined]  # as LightGBM's own that print
    return after_iteration


def xgboost(prefix: str = "") -> Any:
    """An XGBoost callback that logs `valid/auc` for metric `auc` on the evaluation set `valid`."""
    from xgboost.callback import TrainingCallback

    class Logged(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            newest = {
                f"{prefix}{data}/{metric}": values[-1] if not isinstance(values[-1], tuple) else values[-1][0]
                for data, metrics in evals_log.items()
                for metric, values in metrics.items()
            }
            log(newest, step=epoch)
            return False

    return Logged()
