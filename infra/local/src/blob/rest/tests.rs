use http::Request;
use uuid::Uuid;

use super::*;
use crate::identities::principal_id;

const MAIN: &str = "airlocklocal.blob.core.windows.net";
const ANCHORS: &str = "airlockanchors.blob.core.windows.net";

/// What `infra/identities.json` grants, and `keeper`, who holds every right on both kinds of container.
const KEEPER: &str = r#"
    "keeper": {
      "keys": { "sign": [], "wrap": [] }, "signs": [], "cosmos": {},
      "blobs": { "claims": ["read", "write"], "scratch": ["read", "write"] },
      "send": [], "receive": [], "calls": []
    },"#;

struct World {
    identities: Identities,
    names: Names,
    blobs: Blobs,
}

impl World {
    fn new() -> Self {
        let json = include_str!("../../../../identities.json");
        let json = json.replacen("\"identities\": {", &format!("\"identities\": {{{KEEPER}"), 1);
        let identities = Identities::parse(&json).unwrap();
        let blobs = Blobs::new(&identities);
        Self { identities, names: names(), blobs }
    }

    fn call(&self, identity: &str, asked: http::request::Builder, body: &'static str) -> Answer {
        let caller = Caller {
            tenant: Uuid::nil(),
            object: principal_id(identity),
            identity: Some(identity.to_owned()),
            application: None,
            roles: Vec::new(),
        };
        let asked = asked.body(Bytes::from_static(body.as_bytes())).unwrap();
        self.blobs.handle(&self.identities, &self.names, &caller, &asked)
    }

    fn put(&self, identity: &str, url: &str, body: &'static str) -> Answer {
        self.call(identity, upload(url), body)
    }

    fn get(&self, identity: &str, url: &str) -> Answer {
        self.call(identity, Request::get(url), "")
    }
}

fn names() -> Names {
    Names {
        tenant: Uuid::nil(),
        entra: "login.microsoftonline.com".to_owned(),
        graph: String::new(),
        issuer: String::new(),
        vault: String::new(),
        cosmos: String::new(),
        bus: String::new(),
        blobs: MAIN.to_owned(),
        anchors: ANCHORS.to_owned(),
        portal: String::new(),
        api: String::new(),
        pages: String::new(),
    }
}

fn upload(url: &str) -> http::request::Builder {
    Request::put(url)
        .header("x-ms-blob-type", "BlockBlob")
        .header("content-type", "application/jose")
}

fn code(answer: &Answer) -> (u16, &str) {
    let code = answer.headers().get("x-ms-error-code").map_or("", |it| it.to_str().unwrap());
    (answer.status().as_u16(), code)
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(answer.body()).unwrap()
}

#[test]
fn what_was_put_is_read_under_either_spelling_of_its_name() {
    let world = World::new();
    let put = world.put("execute", &format!("https://{MAIN}/claims/tenant%2Fdigest"), "claim");
    assert_eq!(put.status(), 201);

    let got = world.get("drift", &format!("https://{MAIN}/claims/tenant/digest"));

    assert_eq!((got.status().as_u16(), text(&got)), (200, "claim"));
    assert_eq!(got.headers()["etag"], put.headers()["etag"]);
    assert_eq!(got.headers()["content-type"], "application/jose");
    assert_eq!(world.blobs.snapshot()["blobs"]["claims"]["tenant/digest"]["body"], "Y2xhaW0=");
}

#[test]
fn create_adds_and_never_replaces_or_deletes() {
    let world = World::new();
    let url = format!("https://{MAIN}/tiles/0/000");
    assert_eq!(world.put("drift", &url, "first").status(), 201);

    let again = world.call("drift", upload(&url).header("if-none-match", "*"), "second");
    assert_eq!(code(&again), (409, "BlobAlreadyExists"));
    assert_eq!(code(&world.put("drift", &url, "second")), (403, "AuthorizationPermissionMismatch"));
    let deleted = world.call("drift", Request::delete(&url), "");
    assert_eq!(code(&deleted), (403, "AuthorizationPermissionMismatch"));

    assert_eq!(text(&world.get("intake", &url)), "first");
}

#[test]
fn a_claim_is_not_replaced_or_deleted_even_with_the_right_to_write() {
    let world = World::new();
    let claim = format!("https://{MAIN}/claims/c");
    let scratch = format!("https://{MAIN}/scratch/s");
    assert_eq!(world.put("keeper", &claim, "first").status(), 201);
    assert_eq!(world.put("keeper", &scratch, "first").status(), 201);

    assert_eq!(code(&world.put("keeper", &claim, "second")), (409, "BlobImmutableDueToPolicy"));
    let deleted = world.call("keeper", Request::delete(&claim), "");
    assert_eq!(code(&deleted), (409, "BlobImmutableDueToPolicy"));
    assert_eq!(text(&world.get("keeper", &claim)), "first");

    assert_eq!(world.put("keeper", &scratch, "second").status(), 201);
    assert_eq!(world.call("keeper", Request::delete(&scratch), "").status(), 202);
    assert_eq!(code(&world.get("keeper", &scratch)), (404, "BlobNotFound"));
}

#[test]
fn each_right_is_needed_for_what_it_allows() {
    let world = World::new();
    let claim = format!("https://{MAIN}/claims/c");
    let anchor = format!("https://{ANCHORS}/anchors/a");
    let list = format!("https://{MAIN}/claims?restype=container&comp=list");
    let refused = (403, "AuthorizationPermissionMismatch");

    for identity in ["signin", "intake", "admin", "nobody"] {
        assert_eq!(code(&world.get(identity, &claim)), refused, "{identity}");
        assert_eq!(code(&world.get(identity, &list)), refused, "{identity}");
        assert_eq!(code(&world.put(identity, &claim, "forged")), refused, "{identity}");
    }
    assert_eq!(code(&world.put("drift", &claim, "forged")), refused);
    for identity in ["intake", "execute", "rotate"] {
        assert_eq!(code(&world.put(identity, &anchor, "forged")), refused, "{identity}");
    }
    assert_eq!(world.blobs.snapshot()["blobs"]["claims"], serde_json::json!({}));
}

#[test]
fn anchors_are_found_in_their_own_account_only() {
    let world = World::new();
    assert_eq!(world.put("drift", &format!("https://{ANCHORS}/anchors/a"), "anchor").status(), 201);

    let elsewhere = world.get("drift", &format!("https://{MAIN}/anchors/a"));
    assert_eq!(code(&elsewhere), (404, "ContainerNotFound"));
    let claims = world.get("execute", &format!("https://{ANCHORS}/claims/c"));
    assert_eq!(code(&claims), (404, "ContainerNotFound"));
    let by_header = Request::get("/anchors/a").header("host", format!("{ANCHORS}:443"));
    assert_eq!(text(&world.call("intake", by_header, "")), "anchor");
}

#[test]
fn blobs_are_listed_by_name_in_pages() {
    let world = World::new();
    for name in ["t/2", "t/10", "u/0", "t/1&<"] {
        let url =
            format!("https://{ANCHORS}/anchors/{}", name.replace('/', "%2F").replace('<', "%3C"));
        assert_eq!(world.put("drift", &url, "x").status(), 201);
    }
    let list =
        format!("https://{ANCHORS}/anchors?restype=container&comp=list&prefix=t%2F&maxresults=2");

    let first = world.get("intake", &list);
    let page = text(&first);
    let names: Vec<_> =
        page.split("<Name>").skip(1).map(|it| it.split('<').next().unwrap()).collect();
    assert_eq!(names, ["t/1&amp;&lt;", "t/10"]);
    let marker = page.split("<NextMarker>").nth(1).unwrap().split('<').next().unwrap();

    let second = world.get("intake", &format!("{list}&marker={marker}"));
    assert!(text(&second).contains("<Name>t/2</Name>"));
    assert!(!text(&second).contains("u/0"));
    assert!(text(&second).contains("<NextMarker></NextMarker>"));
}

#[test]
fn a_range_is_a_part_and_beyond_the_end_there_is_none() {
    let world = World::new();
    let url = format!("https://{MAIN}/claims/c");
    world.put("execute", &url, "0123456789");
    world.put("execute", &format!("{url}-empty"), "");
    let ranged = |url: &str, range: &str| {
        world.call("execute", Request::get(url).header("range", range.to_owned()), "")
    };

    let part = ranged(&url, "bytes=0-4194303");
    assert_eq!((part.status().as_u16(), text(&part)), (206, "0123456789"));
    assert_eq!(part.headers()["content-range"], "bytes 0-9/10");
    assert_eq!(text(&ranged(&url, "bytes=3-4")), "34");
    assert_eq!(text(&ranged(&url, "bytes=8-")), "89");
    assert_eq!(code(&ranged(&url, "bytes=10-")), (416, "InvalidRange"));
    assert_eq!(code(&ranged(&format!("{url}-empty"), "bytes=0-4194303")), (416, "InvalidRange"));
    assert_eq!(world.get("execute", &format!("{url}-empty")).status(), 200);
}

#[test]
fn conditions_are_kept() {
    let world = World::new();
    let url = format!("https://{MAIN}/scratch/s");
    let etag = world.put("keeper", &url, "first").headers()["etag"].clone();

    let stale = world.call("keeper", upload(&url).header("if-match", "\"0x0\""), "second");
    assert_eq!(code(&stale), (412, "ConditionNotMet"));
    let unchanged =
        world.call("keeper", Request::get(&url).header("if-none-match", etag.clone()), "");
    assert_eq!((unchanged.status().as_u16(), text(&unchanged)), (304, ""));
    let replaced = world.call("keeper", upload(&url).header("if-match", etag), "second");
    assert_eq!(replaced.status(), 201);
}

#[test]
fn what_is_not_understood_is_refused_and_not_ignored() {
    let world = World::new();
    let url = format!("https://{MAIN}/claims/c");
    let block = world.put("execute", &format!("{url}?comp=block&blockid=YQ"), "x");
    assert_eq!(code(&block), (400, "UnsupportedQueryParameter"));
    assert_eq!(
        code(&world.call("execute", Request::put(&url), "x")),
        (400, "MissingRequiredHeader")
    );
    let page = Request::put(&url).header("x-ms-blob-type", "PageBlob");
    assert_eq!(code(&world.call("execute", page, "x")), (400, "InvalidHeaderValue"));
    assert_eq!(code(&world.get("execute", "https://other.example/claims/c")), (400, "InvalidUri"));
    let made = Request::put(format!("https://{MAIN}/claims?restype=container"));
    assert_eq!(code(&world.call("execute", made, "")), (403, "AuthorizationPermissionMismatch"));
}

#[test]
fn without_an_accepted_token_the_answer_is_a_challenge() {
    let none =
        not_authenticated(&names(), &HeaderMap::new(), &NotAuthenticated("no token".to_owned()));
    assert_eq!(code(&none), (401, "NoAuthenticationInformation"));
    assert_eq!(
        none.headers()["www-authenticate"],
        "Bearer authorization_uri=https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000\
         /oauth2/authorize resource_id=https://storage.azure.com"
    );

    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    let wrong =
        not_authenticated(&names(), &headers, &NotAuthenticated("wrong <audience>".to_owned()));
    assert_eq!(code(&wrong), (401, "InvalidAuthenticationInfo"));
    assert!(
        text(&wrong).contains(
            "<AuthenticationErrorDetail>wrong &lt;audience&gt;</AuthenticationErrorDetail>"
        )
    );
}
