"""The types of the domain, pure: keys, messages, inbox, notices, contact points, Swedish time."""
