"""A receiver of OTLP over HTTP that reads what oomtrace sends by the classes generated from the official definitions."""
import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.metrics.v1 import metrics_pb2

with open(sys.argv[1], encoding="utf-8") as file:
    task = json.load(file)
received = {run: {"logs": [], "metrics": None} for run in task["runs"]}
complaints = []


def known(message):
    """Nothing that the definitions do not know."""
    assert not len(UnknownFieldSet(message)), message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if hasattr(value, "append") else [value]:
            known(inner)


def plain(value):
    kind = value.WhichOneof("value")
    assert kind is not None, "an empty value"
    if kind == "array_value":
        return [plain(it) for it in value.array_value.values]
    return getattr(value, kind)


def attributes(message):
    found = {it.key: plain(it.value) for it in message.attributes}
    assert len(found) == len(message.attributes), "an attribute twice"
    return found


def logs(request):
    for group in request.resource_logs:
        for scope in group.scope_logs:
            assert scope.scope.name == "oomtrace" and scope.scope.version, scope.scope
            for record in scope.log_records:
                yield {
                    "resource": attributes(group.resource),
                    "time": record.time_unix_nano,
                    "observed": record.observed_time_unix_nano,
                    "severity": record.severity_number,
                    "event": record.event_name,
                    "body": plain(record.body),
                    "attributes": attributes(record),
                }


def metrics(request):
    for group in request.resource_metrics:
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                if kind != "gauge":
                    assert data.aggregation_temporality == metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
                assert kind != "sum" or data.is_monotonic
                for point in data.data_points:
                    assert point.time_unix_nano > 0
                    assert kind == "gauge" or 0 < point.start_time_unix_nano <= point.time_unix_nano
                    series = {"name": metric.name, "unit": metric.unit, "kind": kind, "labels": attributes(point)}
                    if kind == "histogram":
                        series |= {
                            "bounds": list(point.explicit_bounds),
                            "counts": list(point.bucket_counts),
                            "sum": point.sum,
                            "count": point.count,
                        }
                    else:
                        assert point.WhichOneof("value") == "as_int"
                        series["value"] = point.as_int
                    yield series


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        try:
            answer = self.take()
        except Exception as error:
            complaints.append(repr(error))
            self.send_error(400, repr(error)[:100])
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def take(self):
        assert self.headers["Content-Type"] == "application/x-protobuf", self.headers["Content-Type"]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        _, run, v1, signal = self.path.split("/")
        assert v1 == "v1", self.path
        if signal == "logs":
            request = logs_pb.ExportLogsServiceRequest.FromString(body)
            known(request)
            received[run]["logs"] += logs(request)
            return logs_pb.ExportLogsServiceResponse().SerializeToString()
        assert signal == "metrics", self.path
        request = metrics_pb.ExportMetricsServiceRequest.FromString(body)
        known(request)
        received[run]["metrics"] = list(metrics(request))
        return metrics_pb.ExportMetricsServiceResponse().SerializeToString()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
for run, what in task["runs"].items():
    url = f"http://127.0.0.1:{server.server_port}/{run}"
    done = subprocess.run(
        [task["oomtrace"], "replay", "--otlp", url, *what["files"]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=what["env"],
        timeout=60,
    )
    # A file of the corpus is cut off, or has gaps.
    assert done.returncode in (0, 4), (done.returncode, done.stderr)
    received[run]["stderr"] = done.stderr.decode()
assert not complaints, complaints
json.dump(received, sys.stdout)
