"""`budkavle demo`: shows the whole relay at work, and checks every claim that it prints."""
