"""Settings of the gateway."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared.base.certificates import PemFiles
from shared.base.settings import Bind, Words
from shared.stage.settings import CommonSettings

_MIB = 1024 * 1024
#: Seconds after which an answer comes too late: the index waits 60 s (docs/domain.md, "Answers and
#: re-sends").
_LONGEST_ANSWER = 55


class IngestSettings(CommonSettings):
    stores: ClassVar[tuple[str, ...]] = ("broker_url",)

    ingest_bind: Bind = Field(
        "127.0.0.1:8080",
        description="host:port of the SOAP endpoint; its path is `/ProcessNotification`. Port 0:"
        " any free one, shown in the ready line.",
    )
    ingest_max_body_bytes: int = Field(
        5 * _MIB,
        gt=0,
        description="Largest request taken; then 413. 1,000 engagements of longest values are about"
        " 2 MB.",
    )
    ingest_max_held_bytes: int = Field(
        32 * _MIB,
        gt=0,
        description="Bytes of all requests held at once; beyond it: 503 with Retry-After.",
    )
    ingest_max_in_flight: int = Field(
        128, gt=0, description="Requests being handled at once; beyond it: 503 with Retry-After."
    )
    ingest_max_connections: int = Field(
        1000, gt=0, description="Open connections; further ones are closed at once."
    )
    ingest_threads: int = Field(
        32, gt=0, description="Requests that wait for the broker's confirm at once."
    )
    ingest_read_seconds: float = Field(
        10, gt=0, description="How long a sender may take to send a request; then 408."
    )
    ingest_publish_seconds: float = Field(
        5, gt=0, description="How long the broker may take to confirm; then it counts as away."
    )
    ingest_broker_wait_seconds: float = Field(
        20,
        ge=0,
        description="How long a request is held while the broker is away; then a Fault. The index"
        " waits 60 s for an answer.",
    )
    ingest_spool: Path | None = Field(
        None,
        description="A file on a disk that outlives the process: what the broker does not take is"
        " written there, answered OK, and published in its order when the broker is back. Empty:"
        " such a request is held, and then a Fault.",
    )
    ingest_spool_max_bytes: int = Field(
        256 * _MIB,
        ge=32 * _MIB,
        description="Largest size of that file; beyond it requests are held, and then a Fault.",
    )
    ingest_max_message_bytes: int = Field(
        8 * _MIB,
        ge=_MIB // 4,
        description="Largest queue message written; a larger request is stored in several. RabbitMQ"
        " 4 takes 16 MiB (`max_message_size`).",
    )
    ingest_callers: Words = Field(
        (),
        description="HSA-ids that may call, compared without regard to case. Empty: whoever gets"
        " through TLS.",
    )
    ingest_proxies: Words = Field(
        (), description="Addresses of the proxies whose caller header is believed."
    )
    ingest_caller_header: str = Field(
        "",
        description="HTTP header in which those proxies name the caller's HSA-id. Empty: none,"
        " the client certificate names it.",
    )
    ingest_tls_certificate: Path | None = Field(
        None,
        description="Own certificate with its chain, PEM. Set: TLS, client certificates required.",
    )
    ingest_tls_key: Path | None = Field(None, description="Key of that certificate, PEM.")
    ingest_tls_client_ca: Path | None = Field(
        None, description="Issuers of the client certificates that are let in, PEM."
    )
    ingest_tls_reload_seconds: float = Field(
        10, gt=0, description="How often these files are looked at for a change."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.ingest_tls_certificate, self.ingest_tls_key, self.ingest_tls_client_ca)
        if any(files) and not all(files):
            raise ValueError(
                "BUDKAVLE_INGEST_TLS_CERTIFICATE, _KEY and _CLIENT_CA: TLS needs all three"
            )
        return self

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Self:
        if bool(self.ingest_proxies) != bool(self.ingest_caller_header):
            raise ValueError("BUDKAVLE_INGEST_PROXIES and _CALLER_HEADER go together")
        return self

    @model_validator(mode="after")
    def _callers_can_be_known(self) -> Self:
        if self.ingest_callers and not (self.ingest_tls_certificate or self.ingest_proxies):
            raise ValueError(
                "BUDKAVLE_INGEST_CALLERS needs TLS, or BUDKAVLE_INGEST_PROXIES, to know who calls"
            )
        return self

    @model_validator(mode="after")
    def _the_index_waits_longer(self) -> Self:
        """Else it re-sends what is still held, and gives up what could have been stored."""
        if self.ingest_broker_wait_seconds + self.ingest_publish_seconds > _LONGEST_ANSWER:
            raise ValueError(
                "BUDKAVLE_INGEST_BROKER_WAIT_SECONDS and _PUBLISH_SECONDS: together at most"
                f" {_LONGEST_ANSWER}; the index waits 60 s for an answer"
            )
        return self

    @property
    def tls(self) -> PemFiles | None:
        """The certificate files; None when the endpoint serves plain HTTP."""
        certificate, key, client_ca = (
            self.ingest_tls_certificate,
            self.ingest_tls_key,
            self.ingest_tls_client_ca,
        )
        if certificate is None or key is None or client_ca is None:
            return None
        return PemFiles(ca=client_ca, certificate=certificate, key=key)
