"""The operator's command `budkavle`. It may know every stage; no stage knows it."""
