//! A collector for OTLP/HTTP that reads protobuf by the field numbers of `opentelemetry-proto`
//! (`collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`, `common/v1/common.proto`),
//! and not by the library that writes it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// `SPAN_KIND_SERVER`.
pub(super) const SERVER: u64 = 2;

/// `SPAN_KIND_CLIENT`.
pub(super) const CLIENT: u64 = 3;

/// A request, as it came: its method and path, and its body.
type Told = (String, Vec<u8>);

/// A collector that keeps what it is told.
pub(super) struct Collector {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

/// A span, as far as the tests ask.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) service: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: u64,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) events: Vec<String>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&told);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), &kept));
            }
        });
        Self { address, told }
    }

    pub(super) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for: method and path of each request.
    pub(super) fn paths(&self) -> Vec<String> {
        self.told.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    /// Whether anything that was told holds this text.
    pub(super) fn holds(&self, needle: &str) -> bool {
        let told = self.told.lock().unwrap();
        told.iter().any(|(_, body)| String::from_utf8_lossy(body).contains(needle))
    }

    /// Every span so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        let told = self.told.lock().unwrap();
        told.iter().flat_map(|(_, body)| spans(body)).collect()
    }
}

/// Answers requests on one connection until the other side closes it.
fn serve(stream: TcpStream, kept: &Mutex<Vec<Told>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        // The process was killed, or is done.
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let path = first.rsplit_once(' ').unwrap().0.to_owned();
        let mut length = 0;
        let mut is_protobuf = false;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "content-type" => is_protobuf = value.trim() == "application/x-protobuf",
                "authorization" => panic!("a collector gets no token"),
                _ => {}
            }
        }
        assert!(is_protobuf);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        kept.lock().unwrap().push((path, body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                      content-length: 0\r\n\r\n";
        writer.write_all(answer.as_bytes()).unwrap();
    }
}

/// A field of a protobuf message: its number, and what it holds.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message. Fixed numbers are read as numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(taken(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(taken(&mut bytes, length))
            }
            5 => {
                let bytes = taken(&mut bytes, 4).try_into().unwrap();
                Field::Number(u32::from_le_bytes(bytes).into())
            }
            other => panic!("no wire type: {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = taken(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number does not end")
}

fn taken<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// The messages in fields of this number.
fn inner(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).into_iter().filter_map(move |(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    })
}

fn text(message: &[u8], number: u64) -> String {
    inner(message, number).next().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap()
}

fn hexadecimal(message: &[u8], number: u64) -> String {
    let bytes = inner(message, number).next().unwrap_or_default();
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap()
}

fn number(message: &[u8], number: u64) -> u64 {
    let found = fields(message).into_iter().find_map(|(found, field)| match field {
        Field::Number(value) if found == number => Some(value),
        _ => None,
    });
    found.unwrap_or_default()
}

/// `KeyValue`s in fields of this number. Values are texts, booleans or whole numbers.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let value = |pair: &[u8]| {
        let any = inner(pair, 2).next().unwrap();
        match fields(any).into_iter().next() {
            Some((1, Field::Bytes(text))) => String::from_utf8(text.to_vec()).unwrap(),
            Some((2 | 3, Field::Number(value))) => value.to_string(),
            _ => panic!("an attribute of a kind that nothing of ours has"),
        }
    };
    inner(message, number).map(|pair| (text(pair, 1), value(pair))).collect()
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(request: &[u8]) -> Vec<Span> {
    let mut all = Vec::new();
    for of_resource in inner(request, 1) {
        let resource = inner(of_resource, 1).next().unwrap();
        let service = attributes(resource, 1)["service.name"].clone();
        for span in inner(of_resource, 2).flat_map(|of_scope| inner(of_scope, 2)) {
            all.push(Span {
                service: service.clone(),
                trace: hexadecimal(span, 1),
                id: hexadecimal(span, 2),
                parent: hexadecimal(span, 4),
                name: text(span, 5),
                kind: number(span, 6),
                attributes: attributes(span, 9),
                events: inner(span, 11).map(|event| text(event, 2)).collect(),
            });
        }
    }
    all
}
