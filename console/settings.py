"""Settings of the operator's command, such as the retention times of `purge`."""

from datetime import timedelta

from pydantic import Field

from shared.stage.settings import WatermarkSettings
from shared.store.retention import RetentionLimits


class OperatorSettings(WatermarkSettings):
    """The settings of commands, beside those of the stages."""

    retain_inbox_days: int = Field(
        730,
        ge=0,
        description="Days that messages stay in the inbox, from when the last one about the booking"
        " was written, or from the time it announces if that is later. 0: for ever.",
    )
    retain_notice_days: int = Field(
        180,
        ge=0,
        description="Days for which is known what came of a notice; longer if its message is about"
        " a later time, or about none and still there. 0: for ever.",
    )
    retain_source_log_days: int = Field(
        3650,
        ge=0,
        description="Days for which is known who activated booking systems. 0: for ever.",
    )
    retain_action_days: int = Field(
        3650,
        ge=0,
        description="Days for which is known what operators did and looked at (`budkavle actions`)."
        " 0: for ever.",
    )
    retain_trace_days: int = Field(
        30,
        ge=1,
        description="Days for which is known what became of each change (`budkavle trace`).",
    )

    bounces_to_suppress: int = Field(
        3,
        ge=0,
        description="Permanent failures (`budkavle bounce`) after which nothing is sent to an"
        " e-mail address until it is set again. 0: however many.",
    )

    @property
    def limits(self) -> RetentionLimits:
        return RetentionLimits(
            inbox=_days(self.retain_inbox_days),
            notices=_days(self.retain_notice_days),
            watermarks=self.watermarks_kept,
            source_log=_days(self.retain_source_log_days),
            actions=_days(self.retain_action_days),
            trace=timedelta(days=self.retain_trace_days),
        )


def _days(number: int) -> timedelta | None:
    return timedelta(days=number) if number else None
