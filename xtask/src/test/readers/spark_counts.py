"""Counts of an export, as Spark in local mode reads it."""
import json
import sys

from pyspark.sql import SparkSession, functions as f

folder = sys.argv[1]
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
table = lambda name: spark.read.parquet(f"{folder}/*/{name}.parquet")
episodes, victims, candidates = table("episodes"), table("victims"), table("candidates")
json.dump(
    {
        "episodes": episodes.count(),
        "victims": victims.count(),
        "candidates": candidates.count(),
        "unknown": candidates.filter(f.col("rss_anon_bytes").isNull()).count(),
        "zeros": candidates.filter(f.col("rss_anon_bytes") == 0).count(),
        "ids": [row[0] for row in episodes.orderBy(f.col("time").asc_nulls_first(), "episode_id").select("episode_id").collect()],
        "first": episodes.select(f.unix_micros(f.min("time"))).first()[0],
        "resident": victims.select(f.sum("rss_bytes")).first()[0],
    },
    sys.stdout,
)
