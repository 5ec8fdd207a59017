"""The frame of a stage process: its settings, health server, start and end."""
