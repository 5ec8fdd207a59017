"""RIV-TA on the wire: safe XML, SOAP 1.1 envelopes, wall times, and our own contract files."""
