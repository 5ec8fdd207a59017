"""What an `Update` carries: transactions, checked as the national index checks them.

The running index is more lenient than the contract (docs/domain.md, "The running index"): it
accepts person numbers of any form, blank ids and times of 13 digits, and passes them on. The same
checks apply to SOAP and to JSON; the names are those of the official schema.
"""

import re
from datetime import datetime
from typing import Annotated

from lxml import etree
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from sandbox.faults import said_wrong
from shared.riv.namespaces import ENGAGEMENT_INDEX, UPDATE

#: The index refuses an Update of more; merged Updates may become a larger ProcessNotification.
MAX_TRANSACTIONS = 1000

#: The index parses `yyyyMMddHHmmss`, where the last field takes one digit or two.
_TIME = re.compile(r"(\d{12})(\d{1,2})", re.ASCII)

_OWN = f"{{{ENGAGEMENT_INDEX}}}"


# In SOAP nothing has a default.
_REQUIRED_IN_SOAP = (
    "registeredResidentIdentification",
    "serviceDomain",
    "categorization",
    "logicalAddress",
    "businessObjectInstanceIdentifier",
    "clinicalProcessInterestId",
    "sourceSystem",
    "dataController",
)


class UpdateRefused(ValueError):
    """The index does not accept this update. The text names the element at fault."""


def _wall(text: str) -> str:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time of the form YYYYMMDDhhmmss")
    datetime.strptime(f"{match[1]}{match[2]:0>2}", "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall time
    return text


def _trimmed(text: str) -> str:
    if text.strip() not in ("", text):
        raise ValueError("white space at its beginning or end")
    return text


Trimmed = AfterValidator(_trimmed)
Upto32 = Annotated[str, Field(min_length=1, max_length=32), Trimmed]
Upto64 = Annotated[str, Field(min_length=1, max_length=64), Trimmed]
Upto128 = Annotated[str, Field(min_length=1, max_length=128), Trimmed]
Upto255 = Annotated[str, Field(min_length=1, max_length=255), Trimmed]
WallTime = Annotated[str, AfterValidator(_wall)]

#: Which engagement it is (docs/domain.md, "An engagement"): the nine fields, `owner` last.
Key = tuple[str, ...]


class Transaction(BaseModel):
    """One engagementTransaction, flat. In JSON, what scripts seldom vary has a default."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
    )

    delete_flag: bool = False
    registered_resident_identification: Upto32
    service_domain: Upto255 = "riv:crm:scheduling"
    categorization: Upto255 = "NA"
    logical_address: Upto64
    business_object_instance_identifier: Upto128
    clinical_process_interest_id: Upto128 = "NA"
    most_recent_content: WallTime | None = None
    source_system: Upto64
    creation_time: WallTime | None = None
    update_time: WallTime | None = None
    data_controller: Upto64 = "SE0000000000"
    owner: Upto64 | None = None

    @field_validator("owner", "most_recent_content", "creation_time", "update_time", mode="before")
    @classmethod
    def _empty_is_absent(cls, text: object) -> object:
        return text or None

    @property
    def key(self) -> Key:
        return (
            self.registered_resident_identification,
            self.service_domain,
            self.categorization,
            self.logical_address,
            self.business_object_instance_identifier,
            self.clinical_process_interest_id,
            self.source_system,
            self.data_controller,
            self.owner or "",
        )

    def element(self, namespace: str) -> etree._Element:
        """As an engagementTransaction of `namespace`'s request.

        The elements are in the order of the schema, whatever their order in the Update, as the
        index writes them.
        """
        transaction = etree.Element(f"{{{namespace}}}engagementTransaction")
        flag = etree.SubElement(transaction, f"{_OWN}deleteFlag")
        flag.text = str(self.delete_flag).lower()
        engagement = etree.SubElement(transaction, f"{_OWN}engagement")
        texts = self.model_dump(by_alias=True, exclude_none=True, exclude={"delete_flag"})
        for name, text in texts.items():
            etree.SubElement(engagement, f"{_OWN}{name}").text = text
        return transaction


def read_json(listed: object) -> list[Transaction]:
    """Transactions out of a JSON list. Raises `UpdateRefused`."""
    if not isinstance(listed, list):
        raise UpdateRefused("not a list of transactions")
    return _checked([_validated(number, said) for number, said in enumerate(listed, 1)])


def read_update(update: etree._Element) -> list[Transaction]:
    """Transactions out of an `Update` element. Raises `UpdateRefused`.

    The order of elements is not checked, since the index's own load tests get it wrong.
    """
    transactions = update.findall(f"{{{UPDATE}}}engagementTransaction")
    if len(transactions) > MAX_TRANSACTIONS:  # before work is spent on each
        raise UpdateRefused(f"engagementTransaction: more than {MAX_TRANSACTIONS}")
    return _checked([_validated(number, _flat(one)) for number, one in enumerate(transactions, 1)])


def _flat(transaction: etree._Element) -> dict[str, object]:
    flag, engagement = transaction.find(f"{_OWN}deleteFlag"), transaction.find(f"{_OWN}engagement")
    if flag is None or engagement is None:
        raise UpdateRefused(f"{'deleteFlag' if flag is None else 'engagement'}: missing")
    texts = {_local(child): child.text or "" for child in engagement if _is_own(child)}
    if missing := [name for name in _REQUIRED_IN_SOAP if name not in texts]:
        raise UpdateRefused(f"{missing[0]}: missing")
    return {**texts, "deleteFlag": (flag.text or "").strip()}


def _is_own(element: etree._Element) -> bool:
    return etree.QName(element).namespace == ENGAGEMENT_INDEX


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def _validated(number: int, said: object) -> Transaction:
    try:
        return Transaction.model_validate(said)
    except ValidationError as error:
        raise UpdateRefused(f"engagementTransaction {number}: {said_wrong(error)}") from None


def _checked(transactions: list[Transaction]) -> list[Transaction]:
    if not transactions:
        raise UpdateRefused("engagementTransaction: none")
    if len(transactions) > MAX_TRANSACTIONS:
        raise UpdateRefused(f"engagementTransaction: more than {MAX_TRANSACTIONS}")
    if len({one.key for one in transactions}) < len(transactions):
        raise UpdateRefused("engagementTransaction: two with the same key")
    return transactions
