"""`rgun init monitoring`: Prometheus rules and a Grafana dashboard, about metrics that there are."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from harness.client import Client
from harness.tls import Authority
from harness.waiting import eventually

SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def written(program, tmp_path_factory):
    """The directory with the files."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "main.py").write_text("app = FastAPI()\n")
    done = subprocess.run([*program, "init", "monitoring"], cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return directory / "deploy" / "monitoring"


@pytest.fixture
def families(serve, tmp_path):
    """The kind of each family of metrics of a server that has everything that they are about."""
    chain, key = Authority(tmp_path).issue("server")
    server = serve("hello.py", "--admin-bind", "127.0.0.1:0", "--beside", "sleep 600", "--certfile", chain, "--keyfile", key)
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))

    def found():
        with Client.tcp("127.0.0.1", port) as client:
            text = client.get("/-/metrics", headers=[("connection", "close")]).text
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        return kinds if "rgun_companion_up" in kinds else None

    return eventually(found, "the companion is in the metrics")


def names(expressions):
    return {name for expression in expressions for name in re.findall(r"(?<![\w:])rgun_\w+(?![\w:])", expression)}


def assert_known(wanted, kinds):
    for name in wanted:
        stem = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
        assert kinds.get(name) in ("counter", "gauge") or kinds.get(stem) == "histogram", f"no metric is called {name}: {sorted(kinds)}"


def dashboard(written):
    return json.loads((written / "rgun-dashboard.json").read_text())


def expressions(board):
    yield from (target["expr"] for panel in board["panels"] for target in panel.get("targets", []))
    yield from (one["expr"] for one in board["annotations"]["list"])
    yield from (one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query")


def test_rules_and_dashboard_name_metrics_that_there_are(written, families):
    groups = yaml.safe_load((written / "rgun.rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    wanted = names(rule["expr"] for rule in rules)
    assert len(wanted) >= 12
    assert_known(wanted, families)
    # A recorded rule stands above what uses it.
    recorded = set()
    for rule in rules:
        assert set(re.findall(r"job:\w+:\w+", rule["expr"])) <= recorded, rule
        recorded.add(rule.get("record"))
    shown = names(expressions(dashboard(written)))
    assert len(shown) >= 20
    assert_known(shown, families)


def test_every_alert_says_what_it_means(written):
    groups = yaml.safe_load((written / "rgun.rules.yml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket") and alert["annotations"]["summary"], alert
    subjects = " ".join(alert["alert"] for alert in alerts)
    for subject in ("ErrorBudget", "ReloadFailed", "CrashLoop", "Queueing", "Memory", "Companion"):
        assert subject in subjects


def test_panels_do_not_overlap_and_ask_the_chosen_source(written):
    board = dashboard(written)
    places = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, see .ci/promtool")
def test_promtool_accepts_rules_and_every_expression(written, tmp_path):
    check = ["promtool", "check", "rules"]
    done = subprocess.run([*check, str(written / "rgun.rules.yml")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [target["expr"] for panel in dashboard(written)["panels"] for target in panel.get("targets", [])]
    asked = [expression.replace("$__rate_interval", "5m") for expression in asked]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([*check, str(tmp_path / "panels.yml")], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, see .ci/promtool")
def test_alerts_fire_when_they_should(written, tmp_path):
    """A bad hour as series: errors, a failed reload, a companion that is down; and nothing else."""
    shutil.copy(written / "rgun.rules.yml", tmp_path / "rules.yml")
    at = 'job="site", instance="a"'
    series = {
        f'rgun_requests_total{{{at}, slot="0", class="2xx"}}': "0+900x120",
        f'rgun_requests_total{{{at}, slot="0", class="5xx"}}': "0+100x120",
        f'rgun_reloads_total{{{at}, result="failed"}}': "0x110 1x10",
        f'rgun_companion_up{{{at}, name="mail"}}': "1x110 0x10",
        f'rgun_companion_up{{{at}, name="beat"}}': "1x120",
        f'rgun_workers{{{at}, state="serving"}}': "4x120",
        f"rgun_workers_wanted{{{at}}}": "4x120",
    }

    def expected(alert, severity, **labels):
        text = (written / "rgun.rules.yml").read_text()
        rule = next(rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if rule.get("alert") == alert)
        labels = {"job": "site", "severity": severity, **labels}
        return {"alertname": alert, "eval_time": "119m", "exp_alerts": [{"exp_labels": labels, "exp_annotations": rule["annotations"]}]}

    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            expected("RgunErrorBudgetBurnsFast", "page"),
            expected("RgunReloadFailed", "ticket", instance="a", result="failed"),
            expected("RgunCompanionDown", "page", instance="a", name="mail"),
            {"alertname": "RgunWorkersMissing", "eval_time": "119m", "exp_alerts": []},
            {"alertname": "RgunCrashLoop", "eval_time": "119m", "exp_alerts": []},
        ],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(["promtool", "test", "rules", "case.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
