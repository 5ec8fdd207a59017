"""What deploy/ names is what the code has: stages, commands, queues, ports, settings, metrics.

No Docker or Kubernetes runs here: these tests read the files. `make deploy-check` judges them by
the code of those who read them.
"""

import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from console.settings_table import all_settings
from sandbox.sms_provider import PATH as SMS_PATH
from shared import __version__
from shared.base.addresses import split_bind
from shared.relay.topology import READING_STAGES, STAGES, dead_queue, work_queue
from shared.stage.settings import CommonSettings
from tests.deploy.commands import assert_command_exists

DEPLOY = Path(__file__).parents[2] / "deploy"
SETTINGS = {setting.name for setting in all_settings()} | {"BUDKAVLE_SECRETS_DIR"}
HEALTH_PORT, SOAP_PORT = 9100, 8080

Yaml = dict[str, Any]


def load(name: str) -> Yaml:
    loaded: Yaml = yaml.safe_load((DEPLOY / name).read_text())
    return loaded


def load_all(name: str) -> list[Yaml]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


COMPOSE = load("compose.yaml")
SERVICES: Yaml = COMPOSE["services"]
OUR_IMAGES = {"budkavle", "budkavle-sandbox"}
OURS = {name: service for name, service in SERVICES.items() if service["image"] in OUR_IMAGES}
#: What the chart gives by its own values; `make deploy-check` holds it to the chart.
MANIFESTS = load_all("kubernetes/budkavle.yaml")
VALUES = load("helm/budkavle/values.yaml")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def files() -> Iterator[Path]:
    return (path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts)


def manifests(kind: str) -> dict[str, Yaml]:
    """Those of one kind, by the component they belong to."""
    found = [document for document in MANIFESTS if document["kind"] == kind]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}


def pod_of(deployment: Yaml) -> Yaml:
    spec: Yaml = deployment["spec"]["template"]["spec"]
    return spec


DEPLOYMENTS = manifests("Deployment")


def numbers(port: str) -> tuple[int, int]:
    """Published and inner port of `"127.0.0.1:8080:8080"`."""
    _, published, inner = port.split(":")
    return int(published), int(inner)


def test_every_file_of_yaml_and_json_parses() -> None:
    for path in files():
        if path.suffix == ".yaml" and "templates" not in path.parts:
            assert [document for document in load_all(str(path.relative_to(DEPLOY))) if document]
        elif path.suffix == ".json":
            json.loads(path.read_text())


def test_every_setting_that_is_named_is_one_we_have() -> None:
    for path in files():
        named = set(re.findall(r"BUDKAVLE_[A-Z0-9_]+[A-Z0-9](?![A-Z0-9_…])", path.read_text()))
        assert named <= SETTINGS, path.name


def test_every_secret_is_a_setting_and_stands_where_it_is_looked_for(tmp_path: Path) -> None:
    for name, service in OURS.items():
        assert {f"{secret}".upper() for secret in service["secrets"]} <= SETTINGS, name
        assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    subprocess.run([DEPLOY / "make-secrets", tmp_path], check=True)
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / Path(secret["file"]).name).exists()


def test_the_secrets_that_are_made_fit_together_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        subprocess.run([DEPLOY / "make-secrets", tmp_path], check=True)
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    settings = CommonSettings()
    password = (tmp_path / "postgres_password").read_text()
    assert settings.database_url.get_secret_value() == (
        f"postgresql+psycopg://budkavle:{password}@postgres:5432/budkavle"
    )
    user = dict(
        line.split(" = ") for line in (tmp_path / "rabbitmq_user.conf").read_text().splitlines()
    )
    assert settings.broker_url.get_secret_value() == (
        f"amqp://{user['default_user']}:{user['default_pass']}@rabbitmq:5672/%2F"
    )
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_compose_runs_every_stage_setup_and_the_sandbox_by_commands_we_have() -> None:
    assert {tuple(service["command"]) for service in OURS.values()} == {
        *(("run", stage) for stage in STAGES), ("setup",), ("sandbox",)
    }  # fmt: skip
    for service in OURS.values():
        assert_command_exists(service["command"])


def test_stages_wait_for_setup_and_setup_for_broker_and_database() -> None:
    healthy = {"rabbitmq": {"condition": "service_healthy"},
               "postgres": {"condition": "service_healthy"}}  # fmt: skip
    done = {"setup": {"condition": "service_completed_successfully"}}
    assert SERVICES["setup"]["depends_on"] == healthy
    for stage in STAGES:
        assert SERVICES[stage]["depends_on"] == healthy | done
    for name in healthy:
        assert SERVICES[name]["healthcheck"]["test"]


def test_a_stage_that_reads_a_queue_can_be_scaled() -> None:
    for stage in READING_STAGES:
        assert "ports" not in SERVICES[stage]
        assert "container_name" not in SERVICES[stage]


def test_ports_are_those_that_the_processes_listen_on() -> None:
    assert f"BUDKAVLE_INGEST_BIND=0.0.0.0:{SOAP_PORT}" in DOCKERFILE
    assert f"BUDKAVLE_HEALTH_BIND=0.0.0.0:{HEALTH_PORT}" in DOCKERFILE
    assert f"EXPOSE {SOAP_PORT} {HEALTH_PORT}" in DOCKERFILE
    assert numbers(*SERVICES["ingest"]["ports"]) == (SOAP_PORT, SOAP_PORT)
    bound = {split_bind(bind)[1] for setting, bind in SERVICES["sandbox"]["environment"].items()
             if setting.endswith("_BIND")}  # fmt: skip
    assert {numbers(port)[1] for port in SERVICES["sandbox"]["ports"]} <= bound
    for stage in STAGES:
        assert f":{HEALTH_PORT}/readyz" in " ".join(SERVICES[stage]["healthcheck"]["test"])


def test_what_is_published_is_published_on_loopback_only() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_the_relay_is_pointed_at_the_sandbox_until_it_is_told_otherwise() -> None:
    binds = SERVICES["sandbox"]["environment"]
    port = {name: split_bind(binds[f"BUDKAVLE_SANDBOX_{name}_BIND"])[1]
            for name in ("PLATFORM", "SMTP", "SMS")}  # fmt: skip
    default = {setting: value for stage in ("fetcher", "notifier")
               for setting, value in SERVICES[stage]["environment"].items()}  # fmt: skip
    assert f":-http://sandbox:{port['PLATFORM']}}}" in default["BUDKAVLE_PLATFORM_URL"]
    assert f":-smtp://sandbox:{port['SMTP']}}}" in default["BUDKAVLE_SMTP_URL"]
    assert f":-http://sandbox:{port['SMS']}{SMS_PATH}}}" in default["BUDKAVLE_SMS_URL"]
    assert (
        binds["BUDKAVLE_SANDBOX_SUBSCRIBER_URL"] == f"http://ingest:{SOAP_PORT}/ProcessNotification"
    )


def test_a_stage_gets_longer_to_end_than_it_takes_to_drain() -> None:
    drain = CommonSettings.model_fields["drain_seconds"].default
    for deployment in DEPLOYMENTS.values():
        assert pod_of(deployment)["terminationGracePeriodSeconds"] > drain + 5
    for stage in STAGES:
        assert int(SERVICES[stage]["stop_grace_period"].removesuffix("s")) > drain + 5


def test_kubernetes_runs_every_stage_under_its_own_name() -> None:
    assert DEPLOYMENTS.keys() == set(STAGES)
    for stage, deployment in DEPLOYMENTS.items():
        (container,) = pod_of(deployment)["containers"]
        assert container["args"] == ["run", stage]
    (setup,) = pod_of(manifests("Job")["setup"])["containers"]
    (purge,) = pod_of(manifests("CronJob")["purge"]["spec"]["jobTemplate"])["containers"]
    assert (setup["args"], purge["args"]) == (["setup"], ["purge"])


def facts() -> Yaml:
    """What the chart believes about each process: a template without a variable, so plain YAML."""
    text = (DEPLOY / "helm/budkavle/templates/_facts.tpl").read_text()
    found: Yaml = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL))
    return found


def test_the_chart_knows_of_each_process_what_the_code_says() -> None:
    assert facts().keys() == {*VALUES["processes"], *VALUES["jobs"]}
    for name, process in facts().items():
        assert_command_exists(process["args"])
        assert process["talksTo"] == [
            to for to in process["talksTo"] if to in VALUES["networkPolicy"]["to"]
        ]
        assert process.get("queue") == (work_queue(name) if name in READING_STAGES else None)
        assert process.get("door", {}).get("setting", "BUDKAVLE_INGEST_BIND") in SETTINGS


def test_kubernetes_lets_each_process_talk_to_whom_it_must_and_nobody_else() -> None:
    allowed = {
        name: {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        for name, policy in manifests("NetworkPolicy").items()
    }
    broker, database, dns = {5671, 5672}, {5432}, {53}
    assert allowed == {
        "ingest": broker | database | dns,
        "filter": broker | database | dns,
        "fetcher": broker | database | dns | {443},
        "composer": broker | database | dns,
        "notifier": broker | database | dns | {443, 465, 587},
        "setup": broker | database | dns | {15671, 15672},
        "purge": database | dns,
    }


def test_secrets_are_no_values_of_the_chart() -> None:
    schema = json.loads((DEPLOY / "helm/budkavle/values.schema.json").read_text())
    refused = schema["$defs"]["settings"]["propertyNames"]["not"]["pattern"]
    found = {
        setting.name
        for setting in all_settings()
        if re.search(
            r"PASSWORD|SECRET$|_KEY$|_(BROKER|BROKER_MANAGEMENT|DATABASE)_URL", setting.name
        )
        and not setting.name.endswith(("_TLS_KEY", "_CERTIFICATE_KEY"))  # paths of files
    }
    assert {name for name in found if not re.search(refused, name)} == set()
    assert {name for name in SETTINGS - found if re.search(refused, name)} == set()


def test_kubernetes_probes_the_health_port() -> None:
    for deployment in DEPLOYMENTS.values():
        (container,) = pod_of(deployment)["containers"]
        assert container["ports"][0] == {"name": "health", "containerPort": HEALTH_PORT}
        for probe, path in (
            ("startup", "/healthz"),
            ("liveness", "/healthz"),
            ("readiness", "/readyz"),
        ):
            assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "health"}


def test_kubernetes_calls_ingest_where_it_listens() -> None:
    (port,) = manifests("Service")["ingest"]["spec"]["ports"]
    (container,) = pod_of(DEPLOYMENTS["ingest"])["containers"]
    assert {"name": port["targetPort"], "containerPort": SOAP_PORT} in container["ports"]
    bind = {"name": "BUDKAVLE_INGEST_BIND", "value": f"0.0.0.0:{SOAP_PORT}"}
    assert bind in container["env"]


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = load("helm/budkavle/Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_image_holds_every_package_and_installs_what_is_locked() -> None:
    kept = re.findall(r"^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    locks = {"deploy/requirements.lock", "deploy/requirements-sandbox.lock"}
    assert set(kept) == {*STAGES, "shared", "console", "sandbox", *locks}
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for deployment in DEPLOYMENTS.values():
        assert pod_of(deployment)["securityContext"]["runAsUser"] == 10001


def test_only_the_sandbox_brings_the_packages_to_play_the_outside_world() -> None:
    assert re.search(r"^ARG LOCK=requirements\.lock$", DOCKERFILE, re.MULTILINE)
    other = {name for name, service in OURS.items() if service["build"].get("args")}
    assert other == {"sandbox"}
    assert SERVICES["sandbox"]["build"]["args"] == {"LOCK": "requirements-sandbox.lock"}
    assert SERVICES["sandbox"]["image"] == "budkavle-sandbox"


def our_metrics() -> set[str]:
    for stage in STAGES:
        importlib.import_module(f"{stage}.metrics" if stage != "composer" else stage)
    for module in ("shared.base.metrics", "shared.stage.heartbeat", "shared.store.trace_writer"):
        importlib.import_module(module)
    return {sample for family in REGISTRY.collect() for sample in series(family)}


def series(family: Any) -> set[str]:
    match family.type:
        case "counter":
            return {f"{family.name}_total"}
        case "histogram":
            return {f"{family.name}_bucket", f"{family.name}_count"}
        case _:
            return {family.name}


def watching() -> str:
    return (DEPLOY / "prometheus/alerts.yaml").read_text() + (
        DEPLOY / "grafana/relay.json"
    ).read_text()


def test_alerts_and_dashboard_ask_for_metrics_we_have() -> None:
    asked = set(re.findall(r"\bbudkavle_[a-z_]+", watching()))
    assert asked
    assert asked <= our_metrics()


def test_alerts_and_dashboard_name_our_queues_and_outcomes() -> None:
    dead = re.search(r'queue=~"([^"]*dead)"', watching())
    assert dead
    queues = {name(stage) for stage in READING_STAGES for name in (dead_queue, work_queue)}
    assert {queue for queue in queues if re.fullmatch(dead[1], queue)} == {
        dead_queue(stage) for stage in READING_STAGES
    }
    asked = set(re.findall(r'outcome=~?\\*"([a-z|]+)', watching()))
    assert "dead" in "|".join(asked).split("|")
    runner = (DEPLOY.parent / "shared/relay/disposition.py").read_text()
    ingest = "".join(path.read_text() for path in (DEPLOY.parent / "ingest").glob("*.py"))
    for outcome in {word for words in asked for word in words.split("|")}:
        assert f'"{outcome}"' in runner + ingest, outcome


def test_prometheus_asks_every_stage_at_its_health_port() -> None:
    (found,) = load("prometheus/prometheus.yaml")["scrape_configs"][0]["dns_sd_configs"]
    assert tuple(found["names"]) == STAGES
    assert found["port"] == HEALTH_PORT
    for stage in STAGES:
        assert f'absent(budkavle_process_info{{stage="{stage}"}})' in watching()
