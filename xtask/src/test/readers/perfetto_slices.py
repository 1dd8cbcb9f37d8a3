"""The slices of a trace, as Perfetto's trace processor has them: name, start and duration in ns, and the track."""
import json
import sys

from perfetto.trace_processor import TraceProcessor

processor = TraceProcessor(trace=sys.argv[1])
slices = processor.query("select name, ts, dur, depth from slice where dur > 0 or name like 'OOM %' order by ts, depth, name")
errors = list(processor.query("select sum(value) as n from stats where severity in ('error', 'data_loss') and value > 0"))
json.dump(
    {"slices": [[s.name, s.ts, s.dur] for s in slices], "errors": errors[0].n or 0},
    sys.stdout,
)
processor.close()
