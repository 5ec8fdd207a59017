"""A misspelt setting stops the start and names the right one; names of others do not."""

from pathlib import Path

import pytest

from console.settings_table import all_settings
from filter.settings import FilterSettings
from ingest.settings import IngestSettings
from sandbox.settings import SandboxSettings
from shared.base.errors import WrongSettings
from shared.base.known_settings import SETTINGS
from shared.base.misspelt import misspelt
from shared.stage.settings import CommonSettings
from tests.setting_names import MODULE, as_module

SECRET = "hunter2-hunter2-hunter2"


def test_the_list_of_names_is_what_the_classes_say() -> None:
    assert MODULE.read_text() == as_module(), "run `make docs`"
    assert {setting.name for setting in all_settings()} == SETTINGS


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("BUDKAVLE_BROKER_ULR", "BUDKAVLE_BROKER_URL"),
        ("BUDKAVLE_NOTIFIER_QUITE_HOURS", "BUDKAVLE_NOTIFIER_QUIET_HOURS"),
        ("BUDKALVE_DATABASE_URL", "BUDKAVLE_DATABASE_URL"),
        ("budkavle_broker_ulr", "BUDKAVLE_BROKER_URL"),
        ("BUDKAVLE_SECRET_DIR", "BUDKAVLE_SECRETS_DIR"),
    ],
)
def test_a_misspelt_name_stops_every_process_and_the_right_one_is_named(
    wrong: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(wrong, SECRET)
    for process in (CommonSettings, IngestSettings, SandboxSettings):
        with pytest.raises(WrongSettings) as refusal:
            process()
        assert str(refusal.value) == f"{wrong} is no setting; did you mean {right}?"


def test_a_name_that_is_near_none_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDKAVLE_QQQQQQQQQQQQ", SECRET)
    with pytest.raises(WrongSettings, match=r"^BUDKAVLE_QQQQQQQQQQQQ is no setting$"):
        CommonSettings()


@pytest.mark.parametrize(
    "file",
    [
        "budkavle_broker_ulr",
        "budkavle_broker_url.txt",
        "budkavle-broker-url",  # as Kubernetes has it
        "broker_url",
        "BROKER_URL",
    ],
)
def test_a_misspelt_secret_stops_the_start(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).write_text(SECRET)
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    with pytest.raises(WrongSettings) as refusal:
        CommonSettings()
    assert str(refusal.value) == (
        f"BUDKAVLE_SECRETS_DIR: the file {file} is no setting; did you mean budkavle_broker_url?"
    )


def test_a_secret_that_is_a_folder_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker makes a folder where the file to be mounted is missing."""
    (tmp_path / "budkavle_broker_url").mkdir()
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    with pytest.raises(WrongSettings, match="budkavle_broker_url is a folder, not a file"):
        CommonSettings()


def test_a_secret_in_capitals_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "BUDKAVLE_LOGICAL_ADDRESS").write_text("SE1")
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    assert CommonSettings().logical_address == "SE1"


@pytest.mark.parametrize(
    ("named", "missing"),
    [
        ({"BUDKAVLE_BROKER_URL": "amqp://broker/"}, "BUDKAVLE_DATABASE_URL"),
        ({"BUDKAVLE_DATABASE_URL": "postgresql+psycopg://db/b"}, "BUDKAVLE_BROKER_URL"),
    ],
)
def test_a_server_beside_a_file_that_nobody_named_is_noticed(
    named: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert CommonSettings().forgotten_stores == [missing]
    monkeypatch.setenv(missing, "sqlite:///meant.sqlite3")
    assert CommonSettings().forgotten_stores == []


def test_two_files_are_the_embedded_pair() -> None:
    assert CommonSettings().forgotten_stores == []


def test_settings_of_other_processes_and_other_programs_are_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BUDKAVLE_SMS_PER_MINUTE", "BUDKAVLE_CONTRACTS", "BUDKAVLE_JAVA_CLIENT"):
        monkeypatch.setenv(name, "1")
    for name in ("postgres_password", "rabbitmq_user.conf", "..data", "grafana_password"):
        (tmp_path / name).write_text(SECRET)
    monkeypatch.setenv("BUDKAVLE_SECRETS_DIR", str(tmp_path))
    assert FilterSettings().filter_concurrency == 2


def test_what_kubernetes_adds_for_a_service_of_ours_is_no_setting() -> None:
    added = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_SOAP", "PORT", "PORT_8080_TCP_ADDR")
    assert misspelt(f"BUDKAVLE_INGEST_{name}" for name in added) == {}


class TestProduction:
    @pytest.fixture(autouse=True)
    def production(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUDKAVLE_ENVIRONMENT", "prod")

    def test_broker_and_database_must_be_named(self) -> None:
        with pytest.raises(
            WrongSettings, match=r"^BUDKAVLE_BROKER_URL and BUDKAVLE_DATABASE_URL: to be set in"
        ):
            CommonSettings()

    def test_ingest_uses_no_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(WrongSettings, match=r"^BUDKAVLE_BROKER_URL: to be set in"):
            IngestSettings()

    def test_sqlite_that_is_asked_for_by_name_is_taken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BUDKAVLE_BROKER_URL", "sqlite:///queues.sqlite3")
        monkeypatch.setenv("BUDKAVLE_DATABASE_URL", "sqlite:///budkavle.sqlite3")
        assert CommonSettings().environment == "prod"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"amqp://me:{SECRET}@mq.example.org:5672/%2F", "rabbitmq mq.example.org:5672"),
        (f"amqp://me:{SECRET}@n1:5671,n2,[::1]:5673/x", "rabbitmq n1:5671,n2,[::1]:5673"),
        (f"amqps://me:{SECRET}@mq.example.org/x?cafile=/{SECRET}", "rabbitmq mq.example.org"),
        ("sqlite:///queues.sqlite3", "sqlite queues.sqlite3"),
        ("sqlite:////var/lib/queues.sqlite3", "sqlite /var/lib/queues.sqlite3"),
        (f"amqp://me:{SECRET}@host:port/", "rabbitmq ?"),
        (f"amqp://me:1,{SECRET}:x/x@host/", "rabbitmq ?"),
    ],
)
def test_the_ready_line_says_where_the_broker_is_and_nothing_secret(url: str, place: str) -> None:
    settings = CommonSettings(broker_url=url)
    assert settings.places["broker"] == place
    assert SECRET not in str(settings.places)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            f"postgresql+psycopg://me:{SECRET}@db.example:5432/x",
            "postgresql db.example:5432",
        ),
        (f"postgresql+psycopg://me:{SECRET}@/x?host=a,b&password={SECRET}", "postgresql a,b"),
    ],
)
def test_the_ready_line_says_where_the_database_is(url: str, place: str) -> None:
    settings = CommonSettings(database_url=url)
    assert settings.places["database"] == place
    assert SECRET not in str(settings.places)
