"""Pictures of a report; each is a function of the report alone."""
