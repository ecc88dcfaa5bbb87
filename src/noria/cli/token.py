"""`noria token`"""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from noria.app.tokens import Made, create, revoke, tokens_of
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.promote import person
from noria.cli.render import note, say, say_json, table, when
from noria.records.tokens import SCOPES, Token

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
ACTIONS = ("list", "create", "revoke")


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "token",
        what="Tokens for the services of this project. `create` prints the secret, once: only its hash is kept. `list` (or\n"
        "nothing): those that hold, expired ones among them. `revoke`: end one; running services refuse it within a second.\n"
        "With a project's first token its services ask everybody for one, on loopback too; revoking the last\n"
        "opens nothing again.\n"
        "Scopes: "
        + "; ".join(f"{name} ({about})" for name, about in SCOPES.items())
        + ".\nWhether a service lives and is ready needs no token. Callers send `Authorization: Bearer SECRET`.\n"
        "With --json: `list` an array of tokens; `create` an object with `token` and `secret`; `revoke` the token.",
        examples=[
            ("noria token create web --scope infer", "for who asks for answers"),
            ("noria token create ops --scope metrics,admin --expires 90d", "until three months from now"),
            ("noria token create shop --scope infer,feedback --models delay", "for one model alone"),
            ("noria token", "what holds"),
            ("noria token revoke web", "end it, in running services too"),
        ],
        reads=True,
    )
    parser.add_argument(
        "words",
        metavar="ACTION|NAME",
        nargs="*",
        help="list, create or revoke, then the token's name; to revoke, its secret does too",
    )
    parser.add_argument("--scope", metavar="SCOPES", help=f"of a new one: {', '.join(SCOPES)}, with commas")
    parser.add_argument(
        "--models", metavar="MODELS", help="that a new one is good for, with commas (default: every one)"
    )
    parser.add_argument(
        "--expires", metavar="SPAN", type=_span, help="of a new one, such as 12h or 90d (default: never)"
    )
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    action, *names = args.words or ["list"]
    if action not in ACTIONS:
        raise _misused(f"{action!r} is not one of {', '.join(ACTIONS)}")
    if len(names) != (action != "list"):
        raise _misused(f"{action} takes {'nothing' if action == 'list' else 'one name'}")
    given = [f"--{name}" for name in ("scope", "models", "expires") if getattr(args, name) is not None]
    if given and action != "create":
        raise _misused(f"{given[0]} is for create, not for {action}")
    if action == "create" and args.scope is None:
        raise _misused(f"a new token needs --scope: {', '.join(SCOPES)}, joined by commas")
    if action == "list" and args.dry_run:
        raise _misused("--dry-run is for create and revoke, not for list")
    with open_app(project(args)) as app:
        if action == "list":
            return _list(app, args)
        return _create(app, names[0], args) if action == "create" else _revoke(app, names[0], args)


def _list(app: App, args: argparse.Namespace) -> int:
    held = sorted(tokens_of(app).held.values(), key=lambda token: token.created)
    now = app.clock.now()
    if args.json:
        say_json(held)
    elif held:
        head = ("token", "id", "scopes", "models", "created", "by", "expires")
        say(*table(head, [(*_row(token), _until(token, token.usable(now))) for token in held]))
    else:
        note("no token holds: noria token create NAME --scope infer")
    return 0


def _row(token: Token) -> tuple[str, ...]:
    models = ", ".join(token.models) or "every one"
    return token.name, token.id, ", ".join(token.scopes), models, when(token.created), token.by


def _until(token: Token, usable: bool) -> str:
    if token.expires is None:
        return "never"
    return when(token.expires) if usable else f"{when(token.expires)}, it has"


def _create(app: App, name: str, args: argparse.Namespace) -> int:
    made = create(
        app,
        name,
        scopes=_split(args.scope),
        models=_split(args.models or ""),
        expires=args.expires,
        by=person(),
        dry_run=args.dry_run,
    )
    if args.json:
        say_json({"token": made.token, "secret": made.secret})
    elif made.secret is not None:
        say(made.secret)  # alone on stdout, for `$(noria token create ...)`
    _explain(made, asked=app.policy.service.auth == "tokens")
    return 0


def _explain(made: Made, *, asked: bool) -> None:
    token = made.token
    models = f" of {', '.join(token.models)}" if token.models else ""
    until = f", until {when(token.expires)}" if token.expires else ""
    verb = "would be made" if made.secret is None else "is made; this secret is not shown again"
    note(f"token {token.name} for {', '.join(token.scopes)}{models}{until} {verb}")
    if not asked:
        note('auth = "off" in [service] of noria.toml: nobody is asked for it')
    elif made.first:
        note("it is the first one: from now on the project's services ask everybody for a token")


def _revoke(app: App, name: str, args: argparse.Namespace) -> int:
    token = revoke(app, name, by=person(), dry_run=args.dry_run)
    if args.json:
        say_json(token)
    else:
        would = (
            "would be revoked" if args.dry_run else "is revoked; running services refuse it within a second"
        )
        say(f"token {token.name} ({token.id}) {would}")
    return 0


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _span(text: str) -> timedelta:
    parts = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span: write a count and m, h, d or w, such as 90d")
    return timedelta(**{UNITS[parts[2]]: int(parts[1])})


def _misused(problem: str) -> BadUsage:
    return BadUsage(problem=problem, command="noria token")
