"""The slices of a trace, from its packets as Perfetto's own definitions read them."""
import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

trace = pb.Trace()
with open(sys.argv[1], "rb") as file:
    trace.ParseFromString(file.read())

tracks, open_slices, slices = set(), {}, []
for packet in trace.packet:
    assert packet.trusted_packet_sequence_id == 1
    if packet.HasField("track_descriptor"):
        track = packet.track_descriptor
        assert track.uuid not in tracks and track.name, track
        assert not track.HasField("parent_uuid") or track.parent_uuid in tracks, track
        tracks.add(track.uuid)
for packet in trace.packet:
    # Nothing that these definitions do not know.
    for message in (packet, packet.track_event, packet.track_descriptor):
        assert not len(UnknownFieldSet(message)), message
    if not packet.HasField("track_event"):
        continue
    event = packet.track_event
    assert event.track_uuid in tracks, event
    stack = open_slices.setdefault(event.track_uuid, [])
    if event.type == pb.TrackEvent.TYPE_SLICE_BEGIN:
        stack.append((event.name, packet.timestamp))
    elif event.type == pb.TrackEvent.TYPE_SLICE_END:
        name, start = stack.pop()
        slices.append([name, start, packet.timestamp - start])
    elif event.type == pb.TrackEvent.TYPE_INSTANT and event.name.startswith("OOM "):
        slices.append([event.name, packet.timestamp, 0])
assert not any(open_slices.values()), open_slices
json.dump({"slices": sorted(slices, key=lambda s: (s[1], s[0])), "errors": 0}, sys.stdout)
