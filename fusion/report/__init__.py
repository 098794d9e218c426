"""The study's own part of a report: borrowing a classifier, its gates, numbers and picture."""
