"""The namespaces, SOAP actions and headers of RIV-TA basic profile 2.1 that we use."""

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

#: The SOAP header of every RIV-TA 2.1 request that names the addressee.
LOGICAL_ADDRESS = f"{{{REGISTRY}}}LogicalAddress"
#: The SOAP header with the person on whose behalf a call is made, mandatory in crm:scheduling.
ACTOR = f"{{{INTEROPERABILITY_HEADERS}}}Actor"

# HTTP headers that the national platform adds (docs/domain.md, "RIV-TA basic profile 2.1").
CORRELATION_ID_HEADER = "x-skltp-correlation-id"
ORIGINAL_CONSUMER_HEADER = "x-rivta-original-serviceconsumer-hsaid"
