"""The operator's command `budkavle`. It may import every stage; no stage imports it."""
