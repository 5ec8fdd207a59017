"""Made-up care units, the booking systems they use, and two of their patients."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Clinic:
    """A care unit and the booking system it uses. Both are HSA-ids."""

    unit: str
    name: str
    source_system: str


KNEE_CLINIC = Clinic("SE2321000016-KNA1", "Ortopedmottagningen Nya Hemmet", "SE2321000016-TB01")
EYE_CLINIC = Clinic("SE2321000016-OGO1", "Ögonmottagningen Storbyn", "SE2321000016-TB01")
SICK_CLINIC = Clinic("SE2321000016-SJU1", "Hudmottagningen Norrby", "SE2321000016-TB02")
SILENT_CLINIC = Clinic("SE2321000016-TYS1", "Vårdcentralen Ej Ansluten", "SE2321000016-TB99")
CLINICS = (KNEE_CLINIC, EYE_CLINIC, SICK_CLINIC, SILENT_CLINIC)

#: The fictional persons of the Swedish tax agency's own examples.
TOLVAN = "191212121212"
LILL_TOLVAN = "201212121212"
NAMES = {TOLVAN: "Tolvan Tolvansson", LILL_TOLVAN: "Lill-Tolvan Tolvansson"}
