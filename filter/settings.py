"""Settings of the filter."""

from pydantic import Field

from shared.stage.settings import CommonSettings


class FilterSettings(CommonSettings):
    filter_concurrency: int = Field(
        2, ge=1, description="Notifications the filter handles at the same time."
    )
    filter_prefetch: int = Field(
        100, ge=1, description="Notifications the filter takes from its queue ahead of their turn."
    )
