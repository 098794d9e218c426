"""From a sweep file to a report: servers, agents, and what is left to do. Knows no flag."""
