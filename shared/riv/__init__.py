"""RIV-TA: safe XML parsing, SOAP 1.1 envelopes, and our own contract files."""
