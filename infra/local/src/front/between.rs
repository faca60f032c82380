//! Calls of one app to another, which is `signin` to `intake`: recorded, and made to go wrong, as
//! calls to Azure are.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::{
    cloud::{Answer, Shared},
    door::{Lost, failed, late_answer, throttled, trace_id},
    faults::{Call, Effect, Service},
    host::{Host, proxy::Body},
    record::Met,
};

/// What `intake` shows people, and `signin` asks for in their name.
pub const IN_A_PERSONS_NAME: &str = "/api/claims";

/// Passes a call on to `intake`, unless it shall go wrong.
///
/// # Errors
///
/// [`Lost`] if it shall not be answered.
pub async fn pass_on(
    cloud: &Shared,
    host: &Host,
    function: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Lost> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let caller = cloud.entra.bearer_name(cloud, request.headers());
    let app = caller.clone().filter(|name| cloud.identities.identities.contains_key(name));
    let traceparent = request.headers().get("traceparent").cloned();
    let traceparent = traceparent.as_ref().and_then(|value| value.to_str().ok());
    let trace = traceparent.and_then(trace_id);
    let fault = cloud.faults.take(&Call {
        service: Service::Intake,
        method: &method,
        path: &path,
        caller: caller.as_deref(),
        app: app.as_deref(),
        operation: None,
        trace: trace.as_deref(),
    });
    let late = fault.as_ref().and_then(late_answer);
    let kind = fault.as_ref().map(Effect::as_str);
    let answer = met(host, function, request, fault).await;
    cloud.record.met(Met {
        service: Service::Intake.as_str(),
        method: &method,
        path: &path,
        caller,
        app,
        operation: None,
        status: answer.as_ref().ok().map(|answer| answer.status().as_u16()),
        fault: kind,
        traceparent,
    });
    if let Some(pause) = late {
        sleep(pause).await;
    }
    answer
}

async fn met(
    host: &Host,
    function: &str,
    request: Request<Incoming>,
    fault: Option<Effect>,
) -> Result<Response<Body>, Lost> {
    let served = async || host.serve("intake", &[function], request).await;
    match fault {
        None | Some(Effect::DelayAnswer { .. }) => Ok(served().await),
        Some(Effect::Delay { ms }) => {
            sleep(Duration::from_millis(ms)).await;
            Ok(served().await)
        }
        Some(Effect::Fail { status }) => Ok(whole(failed(status))),
        Some(Effect::Throttle { retry_after_s }) => Ok(whole(throttled(retry_after_s))),
        // No rule kills a process here: `Rule::check`.
        Some(Effect::Drop | Effect::Kill { .. }) => Err(Lost),
        Some(Effect::LoseAnswer) => {
            drop(served().await);
            Err(Lost)
        }
    }
}

fn whole(answer: Answer) -> Response<Body> {
    answer.map(|bytes| Full::from(bytes).map_err(|never: Infallible| match never {}).boxed_unsync())
}
