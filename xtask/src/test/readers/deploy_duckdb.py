"""Runs each statement in the ```sql blocks of deploy.md, in a folder that has its fleet/."""
import json
import os
import re
import sys

import duckdb

os.chdir(sys.argv[1])
page = open("deploy.md").read()
queries = []
for block in re.findall(r"^```sql\n(.*?)^```", page, re.M | re.S):
    for statement in filter(None, map(str.strip, block.split(";"))):
        if statement.startswith("create"):
            duckdb.execute(statement)
        else:
            queries.append({"sql": statement, "rows": len(duckdb.sql(statement).fetchall())})
one = lambda query: duckdb.sql(query).fetchall()[0][0]
json.dump(
    {
        "queries": queries,
        "episodes": one("select count(*) from episodes"),
        "victims": one("select count(*) from victims"),
    },
    sys.stdout,
)
