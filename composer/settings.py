"""Settings of the composer."""

from pathlib import Path

from pydantic import Field

from composer.candidates import Limits
from shared.stage.settings import WaitSettings, WatermarkSettings


class ComposerSettings(WaitSettings, WatermarkSettings):
    """What the composer reads beside the settings of all stages."""

    composer_templates: Path | None = Field(
        None,
        description="Folder of a region's own templates; those it lacks are the built-in ones.",
    )
    composer_concurrency: int = Field(
        2,
        gt=0,
        description="Threads that judge changes, each up to 60 at once. With more of them fewer"
        " changes are judged together.",
    )
    composer_prefetch: int = Field(
        150, gt=0, description="Changes that the broker hands out ahead of their turn."
    )

    @property
    def limits(self) -> Limits:
        return Limits(
            window=self.pairing_window,
            patience=self.patience,
        )
