"""What was measured: runs read from a server, kept in one file."""
