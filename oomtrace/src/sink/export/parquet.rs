//! Tables as Parquet, by the `parquet` crate's column writers: its arrow half would be many times the size.
//!
//! All columns are optional; rows are gathered and written as row groups, packed with Zstandard.

use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::columns::{Column, Kind};
use super::row::{Row, Value};
use super::{Rows, Target};

/// Rows of a row group.
const GROUP: usize = 1 << 16;

/// Writes Parquet.
pub struct Parquet {
    /// `None` once it is finished.
    writer: Option<SerializedFileWriter<Box<dyn Target>>>,
    fields: Vec<Field>,
    rows: usize,
}

/// The values of a column since the last row group: those that are there, and for each row whether it has one.
struct Field {
    values: Values,
    there: Vec<i16>,
}

enum Values {
    Ints(Vec<i64>),
    Bools(Vec<bool>),
    Texts(Vec<ByteArray>),
}

impl Rows for Parquet {
    fn start(target: Box<dyn Target>, columns: &[Column]) -> io::Result<Self> {
        let fields = columns.iter().map(field_type).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("oomtrace").with_fields(fields).build().map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("oomtrace ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer =
            SerializedFileWriter::new(target, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        let fields = columns.iter().map(|column| Field::new(column.kind)).collect();
        Ok(Self { writer: Some(writer), fields, rows: 0 })
    }

    fn row(&mut self, columns: &[Column], row: &Row<'_>) -> io::Result<()> {
        for (column, field) in columns.iter().zip(&mut self.fields) {
            field.push((column.value)(row));
        }
        self.rows += 1;
        if self.rows == GROUP { self.write_group().map_err(failed) } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows > 0 {
            self.write_group().map_err(failed)?;
        }
        let Some(writer) = self.writer.take() else { return Ok(()) };
        writer.into_inner().map_err(failed)?.commit()
    }
}

impl Parquet {
    fn write_group(&mut self) -> Result<(), ParquetError> {
        self.rows = 0;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut group = writer.next_row_group()?;
        for field in &mut self.fields {
            let Some(mut column) = group.next_column()? else { break };
            let there = Some(&field.there[..]);
            match &mut field.values {
                Values::Ints(values) => {
                    column.typed::<Int64Type>().write_batch(values, there, None)?;
                    values.clear();
                }
                Values::Bools(values) => {
                    column.typed::<BoolType>().write_batch(values, there, None)?;
                    values.clear();
                }
                Values::Texts(values) => {
                    column.typed::<ByteArrayType>().write_batch(values, there, None)?;
                    values.clear();
                }
            }
            column.close()?;
            field.there.clear();
        }
        group.close()?;
        Ok(())
    }
}

impl Field {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Int | Kind::Time => Values::Ints(Vec::new()),
            Kind::Bool => Values::Bools(Vec::new()),
            Kind::Text => Values::Texts(Vec::new()),
        };
        Self { values, there: Vec::new() }
    }

    /// A value of another type than the column's would be a mistake in its definition, and is not there.
    fn push(&mut self, value: Value<'_>) {
        let pushed = match (&mut self.values, value) {
            (Values::Ints(values), Value::Int(value) | Value::Time(value)) => {
                values.push(value);
                true
            }
            (Values::Bools(values), Value::Bool(value)) => {
                values.push(value);
                true
            }
            (Values::Texts(values), Value::Text(value)) => {
                values.push(ByteArray::from(value.as_bytes().to_vec()));
                true
            }
            _ => false,
        };
        self.there.push(i16::from(pushed));
    }
}

fn field_type(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Int => (Physical::INT64, None),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    let field = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    field.build().map(Arc::new)
}

/// What the writer of the file said, where it was that.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field as Read;

    use super::*;
    use crate::made_up;
    use crate::model::ShortId;
    use crate::sink::export::{Table, Tables};
    use crate::sink::{Sink, Totals};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Target for Memory {
        fn commit(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let info = made_up::info();
        for (name, observations) in made_up::scenarios() {
            let episodes = made_up::assemble(&info, &observations);
            let memory = Memory::default();
            let target: Box<dyn Target> = Box::new(memory.clone());
            let mut tables =
                Tables::new::<Parquet>(vec![(Table::Candidates, target)]).expect("memory takes it");
            tables.start(&info).expect("memory takes it");
            episodes.iter().for_each(|episode| tables.episode(episode).expect("memory takes it"));
            tables.end(&Totals::default()).expect("memory takes it");

            let bytes = memory.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("it is Parquet");
            let mut rows = reader.get_row_iter(None).expect("it has rows");
            let columns = Table::Candidates.columns();
            for episode in &episodes {
                let id = ShortId::of(episode, &info);
                for (at, candidate) in episode.candidates.iter().enumerate() {
                    let read = rows.next().expect("it is there").expect("it can be read");
                    let row = Row::of(episode, &info, &id);
                    let row = row.candidate(at, candidate);
                    for (column, (title, read)) in columns.iter().zip(read.get_column_iter()) {
                        assert_eq!(column.name, title);
                        let written = match (column.value)(&row) {
                            Value::Null => Read::Null,
                            Value::Int(number) => Read::Long(number),
                            Value::Bool(truth) => Read::Bool(truth),
                            Value::Text(text) => Read::Str(text.into_owned()),
                            Value::Time(us) => Read::TimestampMicros(us),
                        };
                        assert_eq!(*read, written, "{name}: {title}");
                    }
                }
            }
            assert!(rows.next().is_none(), "{name}");
        }
    }
}
