"""The database and the contents, as far as they are nobody's subject.

SQL statements stand here, in database, rows, where, blob_rows, clocks and repair, and with their
subjects: in runs/rows, runs/file_rows, runs/lines, sweeps/rows, sweeps/score_rows, artifacts/rows,
artifacts/collections and http/logins. What stands in a condition is in api/filters, api/operands,
runs/keys and artifacts/keys.
"""
