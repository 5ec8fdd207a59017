"""The two environments, which never mix: QA and production."""

from typing import Literal

Environment = Literal["qa", "prod"]
