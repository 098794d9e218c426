"""The public format of report.json, and its page."""
