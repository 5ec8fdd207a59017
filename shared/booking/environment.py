"""The two worlds that never mix: QA and production."""

from typing import Literal

Environment = Literal["qa", "prod"]
