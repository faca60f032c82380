//! Routes that prove: receipts of requests, and the trees themselves for auditors.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    ledger::tile::Resource,
    problem::Problem,
    reception::{Proof, Tree},
};
use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    caller::SignedIn,
    openapi::{
        forms,
        problems::{NotProven, NotShown},
        shapes,
    },
    refusals,
    requests::Named,
    state::Desk,
};

/// Proves how a request ended.
///
/// Waits a few seconds until the ledger is sealed up to there. The receipt verifies offline, with
/// the public key of the ledger's checkpoints and nothing else.
#[utoipa::path(
    get,
    path = "/api/requests/{id}/receipt",
    operation_id = "readReceipt",
    tag = "ledger",
    security(("session" = []), ("cookie" = [])),
    params(("id" = forms::RequestId, Path, description = "Which request.")),
    responses((status = 200, description = "The proof.", body = shapes::RequestProof), NotProven)
)]
pub async fn receipt(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Named(name): Named,
) -> Result<Json<Proof>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let proof = connected.reception.receipt(&caller, name).await.map_err(refusals::not_received)?;
    Ok(Json(proof))
}

/// Reads a tree's newest published checkpoint.
///
/// For whoever oversees the tenant. Beside it, below the same address, stand the tree's tiles
/// and entry bundles by the paths of C2SP tlog-tiles: `tile/<level>/<index>` and
/// `tile/entries/<index>`, each with `.p/<width>` where it is partial.
#[utoipa::path(
    get,
    path = "/api/ledger/{tree}/{epoch}/checkpoint",
    operation_id = "readCheckpoint",
    tag = "ledger",
    security(("session" = []), ("cookie" = [])),
    params(
        ("tree" = inline(forms::Tree), Path, description = "Whose tree."),
        ("epoch" = u32, Path, description = "Which of its trees, from 0."),
    ),
    responses(
        (
            status = 200,
            description = "The checkpoint, as a signed note.",
            body = String,
            content_type = "text/plain",
        ),
        NotShown,
    )
)]
pub async fn checkpoint(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    OfTree { tree, epoch, .. }: OfTree,
) -> Result<Response, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let note = connected
        .reception
        .checkpoint(&caller, tree, epoch)
        .await
        .map_err(refusals::not_received)?;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, text)], note.to_string()).into_response())
}

/// Reads a tile or bundle. Its path has as many parts as its number needs, which no `OpenAPI`
/// document can say: [`checkpoint`] tells of it.
pub async fn tile(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    OfTree { tree, epoch, rest }: OfTree,
) -> Result<Response, Refusal> {
    let resource =
        Resource::parse(&format!("tile/{rest}")).ok_or_else(|| Refusal::new(Problem::NOT_FOUND))?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let bytes = connected
        .reception
        .resource(&caller, tree, epoch, resource)
        .await
        .map_err(refusals::not_received)?;
    let binary = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, binary)], bytes).into_response())
}

/// The tree that a path names, and what follows.
pub struct OfTree {
    tree: Tree,
    epoch: u32,
    rest: String,
}

impl FromRequestParts<Desk> for OfTree {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refusal> {
        // Not "not understood": what cannot be a tree is none.
        let Path(named) = Path::<Vec<(String, String)>>::from_request_parts(parts, desk)
            .await
            .map_err(|error| Refusal::because(Problem::NOT_FOUND, error))?;
        let part =
            |name: &str| named.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let home = desk.manifest().tenant;
        let tree = part("tree").and_then(|text| Tree::parse(text, home));
        // One spelling for each number.
        let epoch = part("epoch")
            .and_then(|text| text.parse().ok().filter(|epoch: &u32| epoch.to_string() == text));
        match (tree, epoch) {
            (Some(tree), Some(epoch)) => {
                Ok(Self { tree, epoch, rest: part("rest").unwrap_or_default().to_owned() })
            }
            _ => Err(Refusal::new(Problem::NOT_FOUND)),
        }
    }
}
