"""Settings of the composer."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from composer.candidates import Limits
from shared.stage.settings import WatermarkSettings


class ComposerSettings(WatermarkSettings):
    """What the composer reads beside the settings of all stages."""

    composer_pairing_seconds: float = Field(
        90,
        gt=0,
        description="How long the removal of a booking waits for the booking that takes its place,"
        " before the patient is told that it was cancelled.",
    )
    fetcher_patience_seconds: float = Field(
        120,
        ge=0,
        description="How long a source may take to show what it has announced: a booking created,"
        " changed or removed. It is asked again at growing intervals; then it is believed.",
    )
    composer_templates: Path | None = Field(
        None,
        description="Folder of a region's own templates; those it lacks are the built-in ones.",
    )
    composer_concurrency: int = Field(
        2,
        gt=0,
        description="Threads that judge changes, each up to 20 at once. With more of them fewer"
        " changes are judged together.",
    )
    composer_prefetch: int = Field(
        50, gt=0, description="Changes that the broker hands out ahead of their turn."
    )

    @property
    def limits(self) -> Limits:
        return Limits(
            window=timedelta(seconds=self.composer_pairing_seconds),
            patience=timedelta(seconds=self.fetcher_patience_seconds),
        )
