"""The database and the blobs; SQL that is nobody's subject."""
