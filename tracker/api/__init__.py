"""GraphQL: the schema, its engine, and what every resolver needs."""
