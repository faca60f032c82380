//! Transactional batches.
//!
//! The emulator runs a batch on a clone of the whole physical partition, which costs tens of
//! milliseconds once a tenant has some ten thousand leaves. So a batch is run here: under a lock that
//! keeps everybody else out of the logical partition, every precondition is checked by point
//! reads, and only if all hold is it applied by point writes. The answer is the one that the
//! emulator's own batch would have given; `tests` compares the two.

mod operation;

use std::collections::HashMap;

use azure_core::http::{Method, RawResponse, Request};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use self::operation::{Known, is_key};
pub use self::operation::{Operation, read};
use super::{Account, wire, wire::Refusal};
use crate::cloud::Answer;

/// Status of an operation that was not carried out because another one failed.
const FAILED_DEPENDENCY: u16 = 424;

/// Runs a batch. The caller holds its partition alone.
pub async fn run(
    account: &Account,
    container: &str,
    request: &Request,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let operations = read(body)?;
    let mut batch = Batch::of(account, container, request)?;
    let results = match batch.check(&operations).await? {
        Checked::Holds => batch.apply(&operations).await?,
        Checked::Fails { index, status } => (0..operations.len())
            .map(|at| result(if at == index { status } else { FAILED_DEPENDENCY }, 0.0))
            .collect(),
    };
    batch.answer(&results)
}

enum Checked {
    Holds,
    Fails { index: usize, status: u16 },
}

struct Batch<'a> {
    account: &'a Account,
    container: &'a str,
    request: &'a Request,
    /// The one component of the partition key.
    key: Value,
    /// Whether written documents are to be sent back.
    echoes: bool,
    /// Etags of the documents of this batch, as stored or as last written.
    etags: HashMap<String, String>,
    /// The emulator's last answer, whose session token and sequence numbers are the batch's.
    last: Option<RawResponse>,
}

impl<'a> Batch<'a> {
    fn of(account: &'a Account, container: &'a str, request: &'a Request) -> Result<Self, Refusal> {
        let headers = request.headers();
        let key = headers.get_optional_str(&wire::PARTITION_KEY).ok_or_else(|| {
            Refusal::bad_request("Transactional batch requires x-ms-documentdb-partitionkey")
        })?;
        let key = match serde_json::from_str(key) {
            Ok(Value::Array(components)) => <[Value; 1]>::try_from(components).ok(),
            _ => None,
        };
        let Some([key]) = key.filter(|[key]| is_key(key)) else {
            return Err(Refusal::bad_request(
                "Transactional batch requires a non-empty partition key",
            ));
        };
        let echoes = match (
            headers.get_optional_str(&wire::CONTENT_ON_WRITE),
            headers.get_optional_str(&wire::PREFER),
        ) {
            (Some(wanted), _) => wanted.eq_ignore_ascii_case("true"),
            (None, Some(preference)) => !preference.contains("return=minimal"),
            (None, None) => true,
        };
        Ok(Self { account, container, request, key, echoes, etags: HashMap::new(), last: None })
    }

    /// Whether every operation will succeed, each seeing those before it. Changes nothing.
    async fn check(&mut self, operations: &[Operation]) -> Result<Checked, Refusal> {
        let mut documents: HashMap<String, Known> = HashMap::new();
        let path = self.account.partition_keys.get(self.container).map_or("", String::as_str);
        let expires = self.account.expiring.contains(self.container);
        for (index, operation) in operations.iter().enumerate() {
            operation.belongs(path, &self.key)?;
            if !expires
                && operation.document().is_some_and(|document| document.get("ttl").is_some())
            {
                return Err(Refusal::bad_request(
                    "This container has no defaultTtl: the document's ttl would be ignored",
                ));
            }
            let id = operation.id()?;
            let known = match documents.get(id) {
                Some(known) => known.clone(),
                None => self.stored(id).await?,
            };
            if let Some(status) = operation.fails_on(&known) {
                return Ok(Checked::Fails { index, status });
            }
            let after = match operation {
                Operation::Read { .. } => known,
                Operation::Delete { .. } => Known::Missing,
                _ => Known::Written,
            };
            documents.insert(id.to_owned(), after);
        }
        Ok(Checked::Holds)
    }

    async fn stored(&mut self, id: &str) -> Result<Known, Refusal> {
        let response = self.ask(self.point(Method::Get, id)?).await?;
        let substatus = response.headers().get_optional_str(&wire::SUBSTATUS);
        match (u16::from(response.status()), substatus) {
            (200, _) => {
                let etag = etag(&response)?;
                self.etags.insert(id.to_owned(), etag.clone());
                Ok(Known::Stored(etag))
            }
            (404, None) => Ok(Known::Missing),
            _ => Err(passed_on(&response)),
        }
    }

    /// Applies operations that were checked.
    async fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Value>, Refusal> {
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            results.push(self.apply_one(operation).await?);
        }
        Ok(results)
    }

    async fn apply_one(&mut self, operation: &Operation) -> Result<Value, Refusal> {
        let id = operation.id()?;
        let mut request = match operation {
            Operation::Create { .. } | Operation::Upsert { .. } => self.feed(),
            Operation::Replace { .. } => self.point(Method::Put, id)?,
            Operation::Read { .. } => self.point(Method::Get, id)?,
            Operation::Delete { .. } => self.point(Method::Delete, id)?,
        };
        if matches!(operation, Operation::Upsert { .. }) {
            request.insert_header(wire::IS_UPSERT, "True");
        }
        if let Some(document) = operation.document() {
            request.set_body(document.to_string().into_bytes());
        }
        let response = self.ask(request).await?;
        let status = u16::from(response.status());
        if !(200..300).contains(&status) {
            // Everything that the emulator could refuse was checked under the lock.
            return Err(Refusal::internal(&format!(
                "A batch was not applied as checked: {}",
                wire::message(&response)
            )));
        }
        if !matches!(operation, Operation::Delete { .. }) {
            self.etags.insert(id.to_owned(), etag(&response)?);
        }
        let etag = self.etags.get(id).cloned().unwrap_or_default();
        let unchanged = matches!(operation, Operation::Read { if_none_match: Some(known), .. } if *known == etag);
        let mut result = result(if unchanged { 304 } else { status }, charge(&response));
        result["eTag"] = Value::String(etag);
        let reads = matches!(operation, Operation::Read { .. });
        if (reads && !unchanged) || (operation.document().is_some() && self.echoes) {
            result["resourceBody"] = serde_json::from_slice(response.body()).map_err(|_| {
                Refusal::internal("The emulator answered with a document that is none.")
            })?;
        }
        Ok(result)
    }

    /// The batch's answer: 207 as soon as one operation did not succeed.
    fn answer(&self, results: &[Value]) -> Result<Answer, Refusal> {
        let succeeded = results
            .iter()
            .all(|result| result["statusCode"].as_u64().is_some_and(|status| status < 300));
        let total: f64 = results.iter().filter_map(|result| result["requestCharge"].as_f64()).sum();
        let mut answer = match &self.last {
            Some(last) => wire::answer(last)?,
            None => Answer::default(),
        };
        *answer.body_mut() = Bytes::from(Value::from(results.to_vec()).to_string());
        *answer.status_mut() = if succeeded { StatusCode::OK } else { StatusCode::MULTI_STATUS };
        let headers = answer.headers_mut();
        for of_one_document in ["etag", "x-ms-item-lsn", "x-ms-cosmos-item-llsn", "x-ms-substatus"]
        {
            headers.remove(of_one_document);
        }
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let total = HeaderValue::try_from(format!("{total:.2}"))
            .map_err(|_| Refusal::internal("The charge of the batch is no number."))?;
        headers.insert("x-ms-request-charge", total);
        Ok(answer)
    }

    async fn ask(&mut self, mut request: Request) -> Result<RawResponse, Refusal> {
        for name in [wire::PARTITION_KEY, wire::INTENDED_CONTAINER, wire::ACTIVITY_ID] {
            if let Some(value) = self.request.headers().get_optional_string(&name) {
                request.insert_header(name, value);
            }
        }
        request.insert_header(wire::CONTENT_ON_WRITE, "True");
        let response = self.account.ask(&request).await?;
        self.last = Some(response.clone());
        Ok(response)
    }

    fn feed(&self) -> Request {
        self.account.feed(self.container, Method::Post)
    }

    fn point(&self, method: Method, id: &str) -> Result<Request, Refusal> {
        self.account
            .document(self.container, method, id)
            .ok_or_else(|| Refusal::bad_request(format!("{id:?} cannot be the id of a document")))
    }
}

fn result(status: u16, charge: f64) -> Value {
    let mut result = Map::new();
    result.insert("statusCode".to_owned(), json!(status));
    result.insert("requestCharge".to_owned(), json!(charge));
    Value::Object(result)
}

fn etag(response: &RawResponse) -> Result<String, Refusal> {
    response
        .headers()
        .get_optional_string(&wire::ETAG)
        .ok_or_else(|| Refusal::internal("The emulator answered without an etag."))
}

fn charge(response: &RawResponse) -> f64 {
    response
        .headers()
        .get_optional_str(&wire::REQUEST_CHARGE)
        .and_then(|charge| charge.parse().ok())
        .unwrap_or(0.0)
}

/// The emulator's own refusal of a read, as the refusal of the batch.
fn passed_on(response: &RawResponse) -> Refusal {
    let status = StatusCode::from_u16(u16::from(response.status()))
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = if status == StatusCode::BAD_REQUEST { "BadRequest" } else { "NotFound" };
    let refusal = Refusal::new(status, code, wire::message(response));
    match response.headers().get_optional_str(&wire::SUBSTATUS).and_then(|code| code.parse().ok()) {
        Some(substatus) => refusal.with_substatus(substatus),
        None => refusal,
    }
}
