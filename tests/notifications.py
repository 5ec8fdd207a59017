"""ProcessNotification requests as senders write them, to be bent by tests."""

from collections.abc import Mapping

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
PROCESS_NOTIFICATION = "urn:riv:itintegration:engagementindex:ProcessNotificationResponder:1"
ENGAGEMENT_INDEX = "urn:riv:itintegration:engagementindex:1"
REGISTRY = "urn:riv:itintegration:registry:1"

SUBSCRIBER = "SE5565594230-BUD"

#: The elements of an engagement in the order of the schema.
SAMPLE = {
    "registeredResidentIdentification": "191212121212",
    "serviceDomain": "riv:crm:scheduling",
    "categorization": "NA",
    "logicalAddress": "SE2321000016-1HZ5",
    "businessObjectInstanceIdentifier": "booking-1",
    "clinicalProcessInterestId": "NA",
    "mostRecentContent": "20271203090000",
    "sourceSystem": "SE2321000016-1HZ3",
    "dataController": "SE2321000016",
    "owner": "SE165565594230-1000",
}
#: The elements that Budkavle needs; the others are never a reason to refuse an engagement.
USED = (
    "registeredResidentIdentification",
    "serviceDomain",
    "logicalAddress",
    "businessObjectInstanceIdentifier",
    "sourceSystem",
)
NEVER_USED = tuple(name for name in SAMPLE if name not in USED)

HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}


def engagement(**changed: str | None) -> dict[str, str]:
    """The sample with `changed` values; None leaves an element out."""
    values = {**SAMPLE, **changed}
    return {name: value for name, value in values.items() if value is not None}


def transaction(elements: Mapping[str, str], delete_flag: str = "false") -> str:
    inner = "".join(f"<e:{name}>{value}</e:{name}>" for name, value in elements.items())
    return (
        f"<n:engagementTransaction><e:deleteFlag>{delete_flag}</e:deleteFlag>"
        f"<e:engagement>{inner}</e:engagement></n:engagementTransaction>"
    )


def transactions(count: int) -> str:
    return "".join(
        transaction(engagement(businessObjectInstanceIdentifier=f"booking-{number}"))
        for number in range(1, count + 1)
    )


def envelope(inner: str, *, logical_address: str | None = SUBSCRIBER) -> bytes:
    """`inner` within ProcessNotification within an envelope."""
    header = (
        f'<r:LogicalAddress xmlns:r="{REGISTRY}">{logical_address}</r:LogicalAddress>'
        if logical_address is not None
        else ""
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Header>{header}</s:Header><s:Body>'
        f'<n:ProcessNotification xmlns:n="{PROCESS_NOTIFICATION}" xmlns:e="{ENGAGEMENT_INDEX}">'
        f"{inner}</n:ProcessNotification></s:Body></s:Envelope>"
    ).encode()


def request(count: int = 1, *, logical_address: str | None = SUBSCRIBER) -> bytes:
    """A right request of `count` engagements."""
    return envelope(transactions(count), logical_address=logical_address)


#: Written by hand as nobody's tool writes it: other prefixes and default namespaces, elements in
#: no order, foreign elements and attributes, comments, white space, an HSA-id in lower case.
HAND_WRITTEN = f"""<?xml version="1.0"?>
<!-- from a colleague -->
<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE}" SOAP-ENV:encodingStyle="">
  <SOAP-ENV:Header>
    <wsa:To xmlns:wsa="http://www.w3.org/2005/08/addressing">somewhere</wsa:To>
    <LogicalAddress xmlns="{REGISTRY}">
      {SUBSCRIBER.lower()}
    </LogicalAddress>
  </SOAP-ENV:Header>
  <SOAP-ENV:Body>
    <ProcessNotification xmlns="{PROCESS_NOTIFICATION}">
      <engagementTransaction>
        <x1:engagement xmlns:x1="{ENGAGEMENT_INDEX}" xmlns:their="urn:example:theirs" their:a="b">
          <x1:sourceSystem>se2321000016-1hz3</x1:sourceSystem>
          <x1:owner>SE165565594230-1000</x1:owner>
          <x1:registeredResidentIdentification>
            191212121212
          </x1:registeredResidentIdentification>
          <x1:updateTime>20261101120000</x1:updateTime>
          <x1:dataController>SE2321000016</x1:dataController>
          <x1:serviceDomain><![CDATA[riv:crm:scheduling]]></x1:serviceDomain>
          <x1:categorization>N<!-- split -->A</x1:categorization>
          <x1:logicalAddress>SE2321000016-1HZ5</x1:logicalAddress>
          <x1:clinicalProcessInterestId>NA</x1:clinicalProcessInterestId>
          <x1:businessObjectInstanceIdentifier>booking&#45;1</x1:businessObjectInstanceIdentifier>
          <x1:mostRecentContent/>
          <their:extension><their:sourceSystem>not this one</their:sourceSystem></their:extension>
        </x1:engagement>
        <f:more xmlns:f="urn:example:more"/>
        <deleteFlag xmlns="{ENGAGEMENT_INDEX}"> 1 </deleteFlag>
      </engagementTransaction>
      <f:more xmlns:f="urn:example:more"/>
    </ProcessNotification>
  </SOAP-ENV:Body>
</SOAP-ENV:Envelope>
""".encode()
