"""What holds until somebody acts: answers that count for nothing, a monitor without an age, a run left lying."""

from __future__ import annotations

from noria.app.read import RunView
from noria.app.status import Labels
from noria.app.watch import LeftOut
from noria.cli.render import count, paint, when


def left_out_lines(left_out: LeftOut) -> list[str]:
    """A line for each reason for which something was not scored."""
    told = [
        (left_out.future, "from the future: too long between request and event time; not scored"),
        (left_out.late, "came after the block had been scored; not scored"),
        (left_out.unreadable, "with a label that is no value of the label's column; taken as without one"),
    ]
    lines = [f"{count(number, 'prediction')} {why}" for number, why in told if number]
    if left_out.torn:
        lines.append(f"{count(left_out.torn, 'record')} of the log torn by a killed service; never answered")
    return lines


def behind_lines(labels: Labels) -> list[str]:
    """Whether whoever watches has still to score what could be, and the next step."""
    if not labels.behind:
        return []
    done = f"has scored until {when(labels.until)}" if labels.until else "has scored nothing yet"
    return [f"the watch is behind by {count(labels.behind, 'prediction')}: it {done}; noria watch"]


def late_lines(late: int) -> list[str]:
    """Of questions that no block has counted."""
    return [f"{count(late, 'row')} asked after the block had been looked at; not counted"] if late else []


def maturity_line(model: str) -> str:
    """Why nothing is scored, and the next step."""
    return paint(
        f"nothing is scored: nobody knows how long labels of {model} take. Write [model.{model}.monitor] "
        'maturity = "2d" (after a block\'s end) in noria.toml, or name `time` and `known` in the data step and train again',
        "yellow",
    )


def left_run_line(view: RunView) -> str:
    """A run that the loop does not finish, and the next step."""
    return (
        f"{view.name} was {view.state} and is left to you: the same `noria run` again goes on with it, "
        f"any other run closes it"
    )
