"""`budkavle demo`: the whole relay, shown at work, with every claim checked as it is made."""
