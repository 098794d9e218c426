"""The embedded server, which speaks W&B's protocol with the unmodified client.

Rooms import only what stands before them: errors, settings → documents, work → store → http →
context → api → runs → artifacts, sweeps → pages → handlers → app → serving. The list is in
tests/tracker/test_rooms.py. Runs know nothing of sweeps and artifacts: these hear of runs by the
hooks in `context`.
"""
