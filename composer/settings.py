"""Settings of the composer."""

from pathlib import Path

from pydantic import Field

from shared.stage.settings import WatermarkSettings


class ComposerSettings(WatermarkSettings):
    """What the composer reads beside the settings of all stages."""

    composer_pairing_seconds: float = Field(
        90,
        gt=0,
        description="How long the removal of a booking waits for the booking that takes its place,"
        " before the patient is told that it was cancelled.",
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
