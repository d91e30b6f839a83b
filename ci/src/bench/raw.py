"""Raw rates of SQLite: tasks claimed and completed durably, one a commit and 64 a commit.

Arguments: file, rows, seconds of each. Prints both rates, one a line.
"""

import sqlite3
import sys
import time

path, rows, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, state TEXT, fence INTEGER, lease TEXT)")
db.execute("CREATE TABLE frames (task INTEGER NOT NULL, hash TEXT NOT NULL)")
db.execute("BEGIN")
db.executemany("INSERT INTO tasks VALUES (?, 'pending', 0, NULL)", ((n,) for n in range(rows)))
db.execute("COMMIT")

for batch in (1, 64):
    done, at = 0, 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        ids = [(at + n) % rows for n in range(batch)]
        at += batch
        db.execute("BEGIN IMMEDIATE")
        for task in ids:
            claim = "UPDATE tasks SET state = 'running', fence = fence + 1, lease = ? WHERE id = ?"
            db.execute(claim, (f"lse_{at}", task))
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        for task in ids:
            db.execute("INSERT INTO frames VALUES (?, ?)", (task, "0" * 64))
            db.execute("UPDATE tasks SET state = 'completed', lease = NULL WHERE id = ?", (task,))
        db.execute("COMMIT")
        done += batch
    print(done / (time.monotonic() - began))
