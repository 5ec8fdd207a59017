"""Names on the wire: the namespaces and SOAP actions of RIV-TA basic profile 2.1 that we speak."""

SOAP_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12_ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"

REGISTRY = "urn:riv:itintegration:registry:1"
INTEROPERABILITY_HEADERS = "urn:riv:interoperability:headers:1"

ENGAGEMENT_INDEX = "urn:riv:itintegration:engagementindex:1"
PROCESS_NOTIFICATION = "urn:riv:itintegration:engagementindex:ProcessNotificationResponder:1"
UPDATE = "urn:riv:itintegration:engagementindex:UpdateResponder:1"

SCHEDULING = "urn:riv:crm:scheduling:1"
SCHEDULING_1_1 = "urn:riv:crm:scheduling:1.1"
GET_BOOKING_DETAILS = "urn:riv:crm:scheduling:GetBookingDetailsResponder:1"

PING = "urn:riv:itintegration:monitoring:PingForConfigurationResponder:1"

PROCESS_NOTIFICATION_ACTION = f"{PROCESS_NOTIFICATION}:ProcessNotification"
UPDATE_ACTION = f"{UPDATE}:Update"
GET_BOOKING_DETAILS_ACTION = f"{GET_BOOKING_DETAILS}:GetBookingDetails"

#: The addressee of a call, as every RIV-TA 2.1 request carries it in its SOAP header.
LOGICAL_ADDRESS = f"{{{REGISTRY}}}LogicalAddress"
#: On whose behalf a call to a booking system is made, mandatory in crm:scheduling.
ACTOR = f"{{{INTEROPERABILITY_HEADERS}}}Actor"

# HTTP headers that the national platform adds (docs/domain.md, "RIV-TA basic profile 2.1").
CORRELATION_ID_HEADER = "x-skltp-correlation-id"
ORIGINAL_CONSUMER_HEADER = "x-rivta-original-serviceconsumer-hsaid"
