"""Runs the ```python block of deploy.md, in a folder that has its fleet/."""
import json
import os
import re
import sys

from pyspark.sql import SparkSession

os.chdir(sys.argv[1])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
(block,) = re.findall(r"^```python\n(.*?)^```", open("deploy.md").read(), re.M | re.S)
names = {"spark": spark}
exec(block, names)
json.dump(
    {
        "episodes": spark.table("episodes").count(),
        "victims": spark.table("victims").count(),
        "kills": sum(row["kills"] for row in names["kills"].collect()),
        "margins": names["margins"].count(),
    },
    sys.stdout,
)
