"""Counts of an export, as DuckDB reads it: Parquet and CSV have to agree."""
import json
import sys

import duckdb

folder = sys.argv[1]


def one(query):
    return duckdb.sql(query).fetchall()[0]


counts = {}
for form in ("parquet", "csv"):
    # Of two hosts, as one table.
    table = lambda name: f"'{folder}/*/{name}.{form}'"
    counts[form] = {
        "episodes": one(f"select count(*) from {table('episodes')}")[0],
        "victims": one(f"select count(*) from {table('victims')}")[0],
        "candidates": one(f"select count(*) from {table('candidates')}")[0],
        "unknown": one(f"select count(*) - count(rss_anon_bytes) from {table('candidates')}")[0],
        "zeros": one(f"select count(*) from {table('candidates')} where rss_anon_bytes = 0")[0],
        "ids": [
            row[0]
            for row in duckdb.sql(
                f"select episode_id from {table('episodes')} order by time nulls first, episode_id"
            ).fetchall()
        ],
        "first": one(f"select epoch_us(min(time)) from {table('episodes')}")[0],
        "resident": int(one(f"select sum(rss_bytes) from {table('victims')}")[0]),
    }
assert counts["parquet"] == counts["csv"], counts
json.dump(counts["parquet"], sys.stdout)
