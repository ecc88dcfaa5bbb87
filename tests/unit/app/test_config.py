"""noria.toml: what fits becomes a policy; of what does not, everything is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.app.config import BadPolicy, NoPolicy, NoProject, find_project, load_policy, parse_policy
from noria.errors import render
from noria.records.gates import Cost, NoWorse, Threshold
from noria.records.policy import ModelPolicy, MonitorPolicy, Policy, RetrainPolicy, ServicePolicy, TlsPolicy

WHOLE = """
seed = 7
threads = 2

[model.delay]
pipeline = "pipeline:delay"
promotion = "manual"

[model.delay.parameters]
classifier.learning_rate = 0.1
classifier.leaves = [31, 63]
split.holdout_days = 14

[model.delay.gates]
auc            = { at_least = 0.68 }
log_loss       = { no_worse_than = "champion", margin = 0.005, alpha = 0.1 }
latency_p99_ms = { at_most = 10 }

[model.delay.monitor]
false_alarm = 0.02
block       = "6h"
tolerance   = { drift = 0.2, log_loss = 0.03 }
segments    = ["carrier"]
latency_ms  = 50
maturity    = "2d"

[model.delay.retrain]
on       = ["performance", "schedule"]
every    = "28d"
cooldown = "90m"

[service]
host = "::1"
port = 0
max_body = "4MiB"
max_rows = 500
"""


def faults(text: str) -> list[str]:
    with pytest.raises(BadPolicy) as caught:
        parse_policy(text, file="noria.toml")
    return [str(fault) for fault in caught.value.faults]


def model(lines: str) -> str:
    """A file with one good model and some more lines, which begin at line 3."""
    return f'[model.delay]\npipeline = "pipeline:delay"\n{lines}'


def test_every_setting_reaches_the_policy() -> None:
    assert parse_policy(WHOLE, file="noria.toml") == Policy(
        seed=7,
        threads=2,
        models=(
            ModelPolicy(
                name="delay",
                pipeline="pipeline:delay",
                promotion="manual",
                parameters={
                    "classifier": {"learning_rate": 0.1, "leaves": [31, 63]},
                    "split": {"holdout_days": 14},
                },
                gates=(
                    Threshold(metric="auc", at_least=0.68),
                    NoWorse(metric="log_loss", than="champion", margin=0.005, alpha=0.1),
                    Cost(measure="latency_p99_ms", at_most=10.0),
                ),
                monitor=MonitorPolicy(
                    false_alarm=0.02,
                    block="6h",
                    tolerance=0.03,
                    loss="log_loss",
                    drift=0.2,
                    maturity=172_800.0,
                    segments=("carrier",),
                    latency_ms=50.0,
                ),
                retrain=RetrainPolicy(on=("performance", "schedule"), every=2_419_200.0, cooldown=5_400.0),
            ),
        ),
        service=ServicePolicy(host="::1", port=0, max_body=4 * 2**20, max_rows=500),
    )


def test_a_pipeline_is_all_that_a_model_needs() -> None:
    policy = parse_policy(model(""), file="noria.toml")
    assert policy == Policy(models=(ModelPolicy(name="delay", pipeline="pipeline:delay"),))


def test_several_models_keep_their_order() -> None:
    policy = parse_policy('[model.b]\npipeline = "p:b"\n[model.a]\npipeline = "p:a"', file="noria.toml")
    assert [one.name for one in policy.models] == ["b", "a"]


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = model(
        "[model.delay.gates]\n"
        'auc = { at_least = "0.68" }\n'
        "[model.delay.monitor]\n"
        "false_alarms = 0.01\n"
        "[service]\n"
        'host = "example.org"\n'
    )
    with pytest.raises(BadPolicy) as caught:
        parse_policy(text, file="noria.toml")
    assert render(caught.value).splitlines() == [
        "error[POLICY-INVALID]: noria.toml has 3 faults",
        '  line 4: model.delay.gates.auc.at_least is "0.68", not a number',
        "  line 6: model.delay.monitor.false_alarms is not a setting of this release; did you mean false_alarm?",
        '  line 8: service.host is "example.org"; it must be an IP address of this machine, as 127.0.0.1 is, or 0.0.0.0 '
        "for all of them",
        "  next:  correct noria.toml, then try again",
    ]


def test_a_service_for_others_and_its_certificate() -> None:
    lines = (
        '[service]\nhost = "0.0.0.0"\ntls = { certificate = "c.pem", key = "k.pem", client_ca = "ca.pem" }'
    )
    service = parse_policy(model(lines), file="noria.toml").service
    assert (service.host, service.auth) == ("0.0.0.0", "tokens")
    assert service.tls == TlsPolicy(certificate="c.pem", key="k.pem", client_ca="ca.pem")


NUMBER = "[model.delay.monitor]\nfalse_alarm = {}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'model is missing: add [model.NAME] with pipeline = "module:pipeline"'),
        ("seed = 1", "model is missing"),
        ("model = 3", "line 1: model is 3: it must be a table"),
        ('[model]\npipeline = "p:d"', "line 2: model.pipeline is \"p:d\": a model's settings stand in [model.NAME]"),
        ("[model.delay]\n", 'line 1: model.delay.pipeline is missing: write pipeline = "pipeline:delay"'),
        ('[model."a b"]\npipeline = "p:d"', 'line 1: model."a b" is no name for a model'),
        ('[model.delay]\npipeline = "pipeline.py:delay"', 'it must be a module and a name in it, as in "pipeline:delay"'),
        ('[model.delay]\npipeline = "delay"', 'line 2: model.delay.pipeline is "delay"; it must be a module'),
        (model('[service]\nhost = "0.0.0.0"\nauth = "off"'), 'line 5: service.auth is "off", and 0.0.0.0 is no loopback'),
        (model('[service]\nauth = "none"'), 'line 4: service.auth is "none"; it must be "tokens" or "off"'),
        (model('[service]\ntls = "cert.pem"'), 'line 4: service.tls is "cert.pem": write tls = { certificate ='),
        (model('[service]\ntls = { certificate = "c.pem" }'), "service.tls.key is missing: tls needs certificate and key"),
        (model("[service]\ntls = {}"), "service.tls is empty: tls needs certificate and key"),
        (model('[service]\ntls = { certificate = "c", key = "k", ca = "x" }'), "service.tls.ca is not a setting of this release"),
        (model('promotion = "auto"'), 'line 3: model.delay.promotion is "auto"; it must be "automatic" or "manual"'),
        (model('[model.delay.deploy]\nstrategy = "canary"'), "line 3: model.delay.deploy is not a setting of this"),
        (model('[target]\nkind = "podman"'), "line 3: target is not a setting of this release"),
        (model("[model.delay.parameters]\nrate = 1"), "line 4: model.delay.parameters.rate is 1: a parameter is written"),
        (model("[model.delay.parameters]\na.b = 2024-01-01"), "a.b is \"2024-01-01\": a date or time is given as text"),
        (model("[model.delay.parameters]\na.b = [1, nan]"), "a number must be finite"),
        (model("[model.delay.gates]\nauc = 0.68"), "line 4: model.delay.gates.auc is 0.68: a gate is { at_least = x }"),
        (model("[model.delay.gates]\nauc = {}"), "gates.auc needs at_least, at_most or no_worse_than"),
        (model("[model.delay.gates]\nauc = { atleast = 1 }"), "auc.atleast is not a setting of this release; did you"),
        (model("[model.delay.gates]\nx = { at_least = 2, at_most = 1 }"), "can never pass: at_least 2.0 is above"),
        (model('[model.delay.gates]\nx = { no_worse_than = "champion", margin = -1 }'), "x.margin is -1; it must be 0 or"),
        (model('[model.delay.gates]\nx = { no_worse_than = "champion", at_least = 1 }'), "x.at_least is not a setting"),
        (model("[model.delay.gates]\nx = { no_worse_than = true }"), "x.no_worse_than is true, not text in quotes"),
        (model(NUMBER.format("true")), "line 4: model.delay.monitor.false_alarm is true, not a number"),
        (model(NUMBER.format("0")), "false_alarm is 0; it must be between 0 and 1"),
        (model(NUMBER.format("1.0")), "false_alarm is 1.0; it must be between 0 and 1"),
        (model(NUMBER.format("nan")), "false_alarm is NaN; it must be a finite number"),
        (model("[model.delay.monitor]\ntolerance = inf"), "tolerance is Infinity; it must be a finite number"),
        (model("[model.delay.monitor]\ntolerance = -0.1"), "tolerance is -0.1; it must be 0 or more"),
        (model("[model.delay.monitor]\ntolerance = { drift = 1, a = 1 }"), "tolerance.drift is 1; it must be from 0"),
        (model("[model.delay.monitor]\nsegments = 3"), 'segments is 3: write ["column", "another"]'),
        (model("[model.delay.monitor]\nslow = 0.1"), "slow does nothing without latency_ms"),
        (model('[model.delay.monitor]\nstrata = "hour"'), "strata does nothing: all blocks of 1d are alike by their hour"),
        (model('[model.delay.monitor]\nstrata = "month"'), 'must be "auto", "none", "hour of week", "hour" or "weekday"'),
        (model("[model.delay.monitor]\ntolerance = { a = 1, b = 2 }"), "tolerance names 2 losses, and a pipeline has one"),
        (model('[model.delay.monitor]\nblock = "day"'), 'block is "day"; it must be "row", or a count and a unit'),
        (model("[model.delay.monitor]\nmaturity = 2"), "maturity is 2: write a count and a unit of s, m, h, d, w"),
        (model('[model.delay.monitor]\nmaturity = "999999d"'), 'maturity is "999999d"; it must be a century at most'),
        (model('[model.delay.retrain]\non = "schedule"'), 'retrain.on is "schedule", not a list'),
        (model('[model.delay.retrain]\non = ["drfit"]'), 'on has "drfit"; in this release it may have "drift" and "performance"'),
        (model('[model.delay.retrain]\non = ["schedule"]'), 'every is missing, and on has "schedule": write every ='),
        (model('[model.delay.retrain]\nevery = "28d"'), 'line 4: model.delay.retrain.every does nothing unless on has'),
        (model('[model.delay.retrain]\nschedule = "0 3 * * 1"'), "schedule cron rules are not in this release: write every"),
        (model("[service]\nport = 65536"), "service.port is 65536; it must be a port from 0 to 65535"),
        (model('[service]\nload = "never"'), 'service.load is "never"; it must be "asked" or "start"'),
        (model('[service]\nidle = "soon"'), 'service.idle is "soon"'),
        (model("[service]\nport = 80.0"), "service.port is 80.0, not a whole number"),
        (model('[service]\nhost = "example.com"'), "it must be an IP address of this machine"),
        (model('[service]\nmax_body = "16 megs"'), 'max_body is "16 megs": write a count and a unit of B, KB, MB'),
        (model("[service]\nmax_body = 0"), "max_body is 0: write a count and a unit"),
        (model("[service]\nmax_rows = 0"), "max_rows is 0; it must be 1 or more"),
        (model("[service]\nworkers = 1000"), "workers is 1000; it must be 1 to 256"),
        ("threads = 0\n" + model(""), "line 1: threads is 0; it must be 1 or more"),
        ("seed = -1\n" + model(""), "line 1: seed is -1; it must be from 0 to 4294967295"),
        ("seed = 1" + "0" * 400 + "\n" + model(""), "line 1: seed is 1000"),
        ("[model.delay\n", "line 1: no TOML: "),
        ("a = 1\na = 2\n", "line 2: no TOML: "),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is_and_what_would_be_right(text: str, told: str) -> None:
    (fault,) = faults(text)
    assert told in fault


def test_a_misspelt_table_is_told_beside_what_is_missing_for_it() -> None:
    assert faults('[models.delay]\npipeline = "p:d"') == [
        "line 1: models is not a setting of this release; did you mean model?",
        'model is missing: add [model.NAME] with pipeline = "module:pipeline"',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a = """\n[model.x]\nseed = 2"""""\nseed = "x"\n', 4),
        ("a = '''\n[x]\n'''\nseed = 'x'\n", 4),
        ('a = [\n  "]", # ]\n  { b = "}" },\n]\nseed = "x"\n', 5),
        ('# seed = 1\n\n"seed" = "x"\n', 3),
        ("a = 1979-05-27T07:32:00Z\r\n'seed'   = \"x\"\r\n", 2),
        ('a.b.c = "\\"#["\nseed = "x"', 2),
    ],
)
def test_a_line_is_found_behind_any_other_toml(text: str, line: int) -> None:
    assert f'line {line}: seed is "x", not a whole number' in faults(text)


@given(
    st.lists(
        st.sampled_from(['x="""\n\n"""', "y=[\n1,\n2]", "# z", "", "[t.u]", "[[v]]", 'w."a.b"={c=1}']),
        max_size=6,
    )
)
def test_a_line_is_found_wherever_the_table_stands(before: list[str]) -> None:
    lines = [part if part[:1] in ("", "#") else f"{part}" for part in dict.fromkeys(before)]
    text = "\n".join([*lines, "[service]", "port = -1", "[model.delay]", 'pipeline = "p:d"'])
    line = text[: text.index("port")].count("\n") + 1
    assert (
        f"line {line}: service.port is -1; it must be a port from 0 to 65535, 0 for any that is free"
        in faults(text)
    )


def test_a_file_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoPolicy, match="No such file") as caught:
        load_policy(tmp_path / "noria.toml")
    assert "noria init" in caught.value.advice()


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "noria.toml"
    file.write_bytes(b"# one\n# caf\xe9\n")
    with pytest.raises(BadPolicy, match="line 2: a byte that is no UTF-8"):
        load_policy(file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "noria.toml"
    file.write_bytes(b"\xef\xbb\xbf" + model("").encode())
    assert load_policy(file).models[0].name == "delay"


def test_the_project_is_the_nearest_folder_with_a_policy(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / "noria.toml").touch()
    assert find_project(inner) == (tmp_path / "outer").resolve()
    (tmp_path / "outer" / "inner" / "noria.toml").touch()
    assert find_project(inner) == (tmp_path / "outer" / "inner").resolve()


def test_outside_of_a_project_one_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoProject) as caught:
        find_project(tmp_path)
    assert "noria init" in render(caught.value)


def engine_faults(text: str) -> list[str]:
    with pytest.raises(BadPolicy) as caught:
        parse_policy(f'[model.x]\npipeline = "p:x"\n[engine]\n{text}', file="noria.toml")
    return [str(fault) for fault in caught.value.faults]


def test_an_engine_on_a_cluster() -> None:
    text = 'kind = "ray"\naddress = "head:6379"\ngrows = true\nvariables = ["AWS_*"]\n'
    engine = parse_policy(f'[model.x]\npipeline = "p:x"\n[engine]\n{text}', file="noria.toml").engine
    assert (engine.kind, engine.address, engine.grows, engine.variables) == (
        "ray",
        "head:6379",
        True,
        ("AWS_*",),
    )
    assert (
        parse_policy('engine = "ray"\n[model.x]\npipeline = "p:x"\n', file="noria.toml").engine.kind == "ray"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('address = "head:6379"', 'line 4: engine.address is for kind = "ray"'),
        ('kind = "ray"\naddress = "ray://head:10001"', "line 5: engine.address"),
        ('kind = "ray"\naddress = "head:6379"\ncpus = 4', "line 6: engine.cpus is for one machine"),
        ('kind = "ray"\ngrows = "yes"', 'line 5: engine.grows is "yes", not true or false'),
        ('kind = "ray"\nvariables = "AWS_*"', 'line 5: engine.variables is no list of names: write ["AWS_*"'),
    ],
)
def test_what_does_not_fit_an_engine(text: str, said: str) -> None:
    (fault,) = engine_faults(text)
    assert fault.startswith(said)
