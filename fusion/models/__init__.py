"""The networks: encoders, operators, the registry that builds them, transferred weights."""
