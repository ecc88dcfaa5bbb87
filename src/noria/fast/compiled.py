"""What a compiled model is: one canonical document that says everything its answers depend on."""

from __future__ import annotations

from typing import Literal

import msgspec

from noria.records.base import Record, canonical, parse

FORMAT = 1

Scalar = bool | int | float | str
Outcome = float | None | Literal["refuse"]
"""What a value without a level becomes: a number, None for NaN, or an error as the original raises one."""
Link = Literal["identity", "exp", "expit", "half-expit", "softmax", "normal"]
"""From raw scores to the answer; `normal`: each expit, divided by their sum (one against the rest)."""
MethodName = Literal["predict_proba", "predict", "decision_function", "inplace_predict", "run"]
"""`inplace_predict` is of XGBoost's Booster, whose `predict` takes no plain matrix; `run` of an ONNX model's session."""
Finite = Literal["anything", "no infinity", "finite"]


class Scaled(Record, tag="scaled"):
    """`(x - minus) / over`; a part that is None is left out."""

    minus: float | None = None
    over: float | None = None


class Stretched(Record, tag="stretched"):
    """`x * times + plus`, then held between `low` and `high`, if there are any."""

    times: float
    plus: float
    low: float | None = None
    high: float | None = None


class Filled(Record, tag="filled"):
    """NaN becomes `value`."""

    value: float


Change = Scaled | Stretched | Filled


class Number(Record, tag="number"):
    """One column of the matrix from one numeric input."""

    source: int
    changes: tuple[Change, ...] = ()


class Ordinal(Record, tag="ordinal", kw_only=True):
    """One column: the position of the input's level, or its code."""

    source: int
    levels: tuple[Scalar, ...]
    codes: tuple[float | None, ...] = ()
    """One a level, None for NaN; empty: the levels' positions."""
    none: Outcome
    nan: Outcome
    other: Outcome
    changes: tuple[Change, ...] = ()


class OneHot(Record, tag="one-hot", kw_only=True):
    """`width` columns, 1.0 in that of the input's level; a place of -1 leaves all at 0.0."""

    source: int
    levels: tuple[Scalar, ...]
    places: tuple[int, ...]
    width: int
    none: int | Literal["refuse"]
    nan: int | Literal["refuse"]
    other: int | Literal["refuse"]
    changes: tuple[tuple[Change, ...], ...] = ()
    """Those of each column; none at all when empty."""


Block = Number | Ordinal | OneHot


class Trees(Record, tag="trees"):
    """A model in LightGBM's text format."""

    text: str
    outputs: int = 1
    """Raw scores a row."""
    single: bool = False
    """Whether the original compares 32-bit floats."""
    applies: bool = False
    """Whether LightGBM makes the answer of the raw scores itself: by its own objective, or as a mean over trees."""
    tiny: tuple[int, ...] = ()
    """Columns that are split at zero: LightGBM takes what is within 1e-35 of it for zero, the original does not."""
    infinite: tuple[int, ...] = ()
    """Columns that are split between everything and NaN, at the largest number that there is."""


class XgBoost(Record, tag="xgboost"):
    """A model in XGBoost's UBJSON, which applies its own link."""

    model: bytes
    outputs: int = 1
    """Numbers a row."""
    best: int = 0
    """Rounds that answer; 0: all of them."""
    missing: float | None = None
    """A number that stands for a missing value; None: NaN alone."""


class Leaves(Record, tag="leaves"):
    """A model of XGBoost, which answers matrices, with its trees in LightGBM's text beside it, which finds the leaves of
    one row in a tenth of the time; their values are summed in 32-bit floats in XGBoost's order and linked as it does."""

    own: XgBoost
    text: str
    """As many scores as there are terms: for each output, what its sum begins with, and the leaf of each of its trees."""
    link: Literal["identity", "exp", "expit", "softmax"]
    tiny: tuple[int, ...] = ()
    """As of `Trees`."""


class Linear(Record, tag="linear"):
    """`x @ coefficients + intercept`, a row of coefficients for each raw score."""

    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]


class Tensor(Record):
    """One input of an ONNX model: `columns` of the row, next to one another."""

    name: str
    columns: int
    kind: Literal["float32", "float64"] = "float32"


class Onnx(Record, tag="onnx"):
    """A model in ONNX, which onnxruntime answers."""

    model: bytes
    inputs: tuple[Tensor, ...]
    """The row's numbers go to them in this order."""
    output: str
    """The one output that is the answer."""
    kind: Literal["float32", "float64", "int64", "int32"]
    shape: tuple[int, ...]
    """Of the answer to one row, without the row's own dimension."""
    once: tuple[int, ...] = ()
    """Numbers of the row that, where they are whole, become 32-bit floats at once: as doubles they would be rounded twice."""

    @property
    def outputs(self) -> int:
        """Numbers a row."""
        return self.shape[0] if self.shape else 1


Model = Trees | XgBoost | Leaves | Linear | Onnx


class Compiled(Record, kw_only=True):
    """A model that needs no Python package of the library that made it."""

    format: int
    estimator: str
    """The class that was compiled, for people."""
    library: Literal["lightgbm", "xgboost", "numpy", "onnxruntime"]
    """Whose native code answers."""
    inputs: tuple[str, ...] = ()
    """Names of the input columns, where the estimator knows them; else it takes them by position."""
    width: int
    """Number of input columns."""
    picks: bool = False
    """Whether it picks its inputs out of a frame by name, whatever else the frame holds."""
    blocks: tuple[Block, ...] = ()
    """The preprocessing, column by column of the model's matrix; empty: the inputs as they are."""
    finite: Finite = "anything"
    """Which numbers the original refuses with an error."""
    model: Model
    link: Link = "identity"
    classes: tuple[Scalar, ...] = ()
    classes_type: str = ""
    """numpy's name of the classes' type."""
    decides: Literal["", ">", ">=", "argmax", "likeliest"] = ""
    """How a class follows from the raw scores, or, for `likeliest`, from the probabilities."""
    methods: dict[MethodName, int]
    """What it answers, and how many columns the answer has; 0: one number a row."""

    def to_bytes(self) -> bytes:
        """One form: the same model gives the same bytes."""
        return canonical(self)


class Uncompiled(Record):
    """Why a model has no fast form, in one sentence."""

    reason: str


def read_compiled(data: bytes) -> Compiled:
    """Raises ValueError for a document of another format, or none."""
    compiled = parse(data, Compiled)
    if compiled.format != FORMAT:
        raise ValueError(f"a compiled model of format {compiled.format}; this Noria reads {FORMAT}")
    return compiled


def with_model(compiled: Compiled, model: Model) -> Compiled:
    """The same around another model."""
    return msgspec.structs.replace(compiled, model=model)
