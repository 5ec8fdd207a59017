"""A Java client made by Apache CXF from our contracts, as they are, calls the gateway.

Only on demand, because Maven fetches CXF first: `make java`, with Maven and a JDK.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.riv.contracts import schema_path
from tests.gateway import running_gateway
from tests.notifications import SUBSCRIBER

_PROJECT = Path(__file__).with_name("java_client")
_RUN = "org.codehaus.mojo:exec-maven-plugin:3.1.0:java"


@pytest.mark.skipif(not os.environ.get("BUDKAVLE_JAVA_CLIENT"), reason="only on demand")
@pytest.mark.timeout(900)
def test_a_client_generated_by_cxf_calls_us(tmp_path: Path) -> None:
    project = shutil.copytree(_PROJECT, tmp_path / "client")
    with running_gateway(logical_address=SUBSCRIBER) as gateway:
        served = f"{gateway.url}/ProcessNotification?wsdl"
        told = subprocess.run(
            [
                *("mvn", "--batch-mode", "--quiet", "compile", _RUN),
                f"-Dserved={served}",
                f"-Dschemas={schema_path('Update.wsdl').parent}",
                "-Dexec.mainClass=Call",
                f"-Dexec.args={served} {SUBSCRIBER}",
            ],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
    assert re.findall("answer: (.*)", told.stdout) == [
        "OK null",
        "INFO Left out: engagementTransaction[2]/engagement/sourceSystem is empty",
    ], told.stdout + told.stderr
    for taken in gateway.broker.notifications:
        assert [each.booking_id for each in taken.engagements] == ["from-java"]
