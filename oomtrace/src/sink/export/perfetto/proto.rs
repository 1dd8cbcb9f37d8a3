//! The few messages of Perfetto's trace format that are needed, as protocol buffers: `perfetto/trace/trace_packet.proto` and what it
//! refers to. Field numbers are theirs.

/// A message being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        varint(&mut self.0, value);
        self
    }

    /// `int64`: negative numbers take ten bytes.
    pub(super) fn signed(self, field: u32, value: i64) -> Self {
        self.number(field, value.cast_unsigned())
    }

    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u32, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn key(&mut self, field: u32, wire_type: u64) {
        varint(&mut self.0, u64::from(field) << 3 | wire_type);
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The one sequence of packets that there is.
const SEQUENCE: u64 = 1;

/// A packet, as the trace has it.
fn packet(packet: Message) -> Vec<u8> {
    Message::default().message(1, &packet.number(10, SEQUENCE)).into_bytes()
}

/// `ClockSnapshot`: the trace's clock (`BUILTIN_CLOCK_BOOTTIME`, 6) is wall time (`REALTIME`, 1).
pub(super) fn wall_clock(ns: u64) -> Vec<u8> {
    let clock = |id: u64| Message::default().number(1, id).number(2, ns);
    packet(Message::default().message(6, &Message::default().message(1, &clock(1)).message(1, &clock(6))))
}

/// `TrackDescriptor`: tracks are found again by their number.
pub(super) fn track(uuid: u64, parent: Option<u64>, name: &str) -> Vec<u8> {
    packet(Message::default().message(60, &descriptor(uuid, parent, name)))
}

/// What a counter counts.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Bytes,
    Percent,
}

/// A track of numbers.
pub(super) fn counter_track(uuid: u64, parent: u64, name: &str, unit: Unit) -> Vec<u8> {
    let counter = match unit {
        // UNIT_SIZE_BYTES.
        Unit::Bytes => Message::default().number(3, 3),
        Unit::Percent => Message::default().text(6, "%"),
    };
    packet(Message::default().message(60, &descriptor(uuid, Some(parent), name).message(8, &counter)))
}

fn descriptor(uuid: u64, parent: Option<u64>, name: &str) -> Message {
    let descriptor = Message::default().number(1, uuid).text(2, name);
    match parent {
        Some(parent) => descriptor.number(5, parent),
        None => descriptor,
    }
}

/// What a slice or a moment is annotated with.
pub(super) enum Note {
    Int(i64),
    Text(String),
}

fn event(ns: u64, track: u64, kind: u64, rest: impl FnOnce(Message) -> Message) -> Vec<u8> {
    let event = rest(Message::default().number(9, kind).number(11, track));
    packet(Message::default().number(8, ns).message(11, &event))
}

fn named(event: Message, name: &str, notes: &[(&str, Note)]) -> Message {
    let event = event.text(22, "oom").text(23, name);
    notes.iter().fold(event, |event, (name, note)| {
        let annotation = Message::default().text(10, name);
        let annotation = match note {
            Note::Int(value) => annotation.signed(4, *value),
            Note::Text(text) => annotation.text(6, text),
        };
        event.message(4, &annotation)
    })
}

/// A slice begins.
pub(super) fn begin(ns: u64, track: u64, name: &str, notes: &[(&str, Note)]) -> Vec<u8> {
    event(ns, track, 1, |event| named(event, name, notes))
}

/// The slice that began last on this track ends.
pub(super) fn end(ns: u64, track: u64) -> Vec<u8> {
    event(ns, track, 2, |event| event)
}

/// Something that takes no time.
pub(super) fn instant(ns: u64, track: u64, name: &str, notes: &[(&str, Note)]) -> Vec<u8> {
    event(ns, track, 3, |event| named(event, name, notes))
}

/// A number from here on.
pub(super) fn counter(ns: u64, track: u64, value: f64) -> Vec<u8> {
    event(ns, track, 4, |event| event.double(44, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_protocol_buffers() {
        let message = Message::default().number(1, 150).text(2, "testing").signed(3, -1);
        assert_eq!(
            message.into_bytes(),
            b"\x08\x96\x01\x12\x07testing\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
        );
        assert_eq!(end(1, 7), b"\x0a\x0a\x40\x01\x5a\x04\x48\x02\x58\x07\x50\x01");
    }
}
