//! HTTP functions: a request goes to the handler as it came, and the answer comes back so.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use uuid::Uuid;

use super::{
    app::{Address, App},
    connection,
    invocation::HOST_VERSION,
    log::Level,
};

/// Why a body broke off.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;
/// A body that streams.
pub type Body = UnsyncBoxBody<Bytes, Broken>;

/// Largest request that the host takes.
pub const REQUEST_BYTES: usize = 104_857_600;
/// Without a byte for so long, the proxy hangs up.
const SILENCE: Duration = Duration::from_mins(4);

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
const VERSION: HeaderName = HeaderName::from_static("x-azure-functions-hostversion");
const MS_INVOCATION_ID: HeaderName = HeaderName::from_static("x-ms-invocation-id");

/// An answer of nothing but its status.
#[must_use]
pub fn bare(status: StatusCode) -> Response<Body> {
    let nothing = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(nothing);
    *answer.status_mut() = status;
    answer
}

/// Hands a request to the app's process. A failed call is answered 500, without a body.
pub async fn forward<B>(app: &Arc<App>, function: &str, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Broken>,
{
    let length = request.body().size_hint().lower();
    if length > REQUEST_BYTES as u64 {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let id = Uuid::new_v4();
    match exchange(app, id, request).await {
        Ok(answer) => answer,
        Err(why) => {
            app.log.write(Level::Host, &format!("call {id} of {function} failed: {why}"));
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn exchange<B>(
    app: &Arc<App>,
    id: Uuid,
    request: Request<B>,
) -> Result<Response<Body>, String>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Broken>,
{
    let address = app.address().await.map_err(|down| down.0.to_owned())?;
    // Without a limit, a month: no call lives so long, and the runtime's clock can count it.
    let limit = app.call_limit().min(Duration::from_hours(24 * 30));
    let deadline = Instant::now() + limit;
    let (mut head, body) = request.into_parts();
    strip(&mut head.headers);
    // We are HTTP/1.1 to the handler, however the request came.
    head.version = http::Version::HTTP_11;
    let id_value = HeaderValue::from_str(&id.to_string()).map_err(|error| error.to_string())?;
    head.headers.entry(MS_INVOCATION_ID).or_insert_with(|| id_value.clone());
    // In the place of what the caller may have sent under these names.
    head.headers.insert(INVOCATION_ID, id_value);
    head.headers.insert(VERSION, HeaderValue::from_static(HOST_VERSION));
    let request = Request::from_parts(head, Box::pin(Limited::new(body, REQUEST_BYTES)));

    let answer = async {
        let mut connection =
            connection::open_patiently(address.port).await.map_err(|error| error.to_string())?;
        connection.send_request(request).await.map_err(|error| error.to_string())
    };
    let answer = tokio::select! {
        answer = answer => answer?,
        () = tokio::time::sleep_until(deadline) => {
            app.timed_out(address);
            return Err("no answer within functionTimeout".to_owned());
        }
        () = tokio::time::sleep(SILENCE) => return Err("no byte of an answer".to_owned()),
    };
    let (mut head, body) = answer.into_parts();
    strip(&mut head.headers);
    head.version = http::Version::HTTP_11;
    let body = Watched {
        body,
        app: Arc::clone(app),
        address,
        silence: Box::pin(tokio::time::sleep(SILENCE)),
        deadline: Box::pin(tokio::time::sleep_until(deadline)),
    };
    Ok(Response::from_parts(head, body.boxed_unsync()))
}

/// Removes what is said to the next hop only.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        // A caller must not be able to take away what the front door or we put there.
        if !is_ours(&name) {
            headers.remove(name);
        }
    }
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ] {
        headers.remove(name);
    }
}

fn is_ours(name: &HeaderName) -> bool {
    name == header::HOST
        || name == header::CONTENT_LENGTH
        || name.as_str().starts_with("x-forwarded-")
        || name.as_str().starts_with("x-azure-functions-")
}

/// The handler's body, under the host's time limits.
struct Watched<B> {
    body: B,
    app: Arc<App>,
    address: Address,
    silence: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
}

impl<B> HttpBody for Watched<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Broken>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            // A stream is a call in flight until its last byte.
            self.app.timed_out(self.address);
            return Poll::Ready(Some(Err("the call exceeded functionTimeout".into())));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.silence.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the handler fell silent".into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_hop_stays_there_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private, X-Forwarded-For"),
            ("x-private", "1"),
            ("x-forwarded-for", "203.0.113.7:4711"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=1"),
            ("host", "localhost:7071"),
            ("traceparent", "00-aa-bb-01"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }

        strip(&mut headers);

        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "traceparent", "x-forwarded-for"]);
    }
}
