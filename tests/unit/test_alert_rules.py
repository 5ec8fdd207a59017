"""Alerts fire when they should: Prometheus' own tool plays the counters."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yaml"
PROMTOOL = shutil.which("promtool") or ""

needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")


def check(folder: Path, series: str, values: str, *, alert: str, firing: bool, at: str) -> None:
    labels = {"source": "SE-TIDBOK", "element": "sourceSystem", "flaw": "empty", "kept": "yes"}
    annotations = {
        "summary": "SE-TIDBOK sends engagements that cannot be taken: sourceSystem empty",
        "action": 'Tell the system\'s owner. kept="yes": its patients are not told; budkavle dead'
        ' list filter --reason engagement_refused shows them. kept="no": it is not activated here.',
    }
    expected = {"exp_labels": {"severity": "warning", **labels}, "exp_annotations": annotations}
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    scene = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": f"{series}{{{named}}}", "values": values}],
                "alert_rule_test": [
                    {
                        "eval_time": at,
                        "alertname": alert,
                        "exp_alerts": [expected] if firing else [],
                    }
                ],
            }
        ],
    }
    path = folder / "scene.yaml"
    path.write_text(json.dumps(scene))  # which is YAML too
    done = subprocess.run(
        [PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("values", "at", "firing"),
    [
        ("_x5 1x30", "10m", True),  # the first odd one of a system: its counter is new
        ("1x90", "80m", False),  # long ago
        ("1x70 2x30", "75m", True),  # one more
        ("0x100", "90m", False),
    ],
)
def test_a_system_that_sends_odd_engagements_is_named(
    tmp_path: Path, values: str, at: str, firing: bool
) -> None:
    name = "budkavle_filter_engagements_refused_total"
    check(tmp_path, name, values, alert="OddEngagements", firing=firing, at=at)
