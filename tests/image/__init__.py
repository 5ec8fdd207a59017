"""The image for real: built by `tests/image/build`, looked at, and run, without Docker."""
