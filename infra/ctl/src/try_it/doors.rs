//! What the local cloud recorded: who called what, and who got which token.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    foreign::Plain,
    stack::{Call, Names, NoStack, Stack, Token},
};

/// The two apps that face the world. They must never get a token for the directory.
const OUTER: [&str; 2] = ["signin", "intake"];

/// The portal's application, which `signin` redeems people's codes for: an outer one too.
const PORTAL: &str = "airlock-portal";

/// Those that a story is told about, in the order of a request's way.
const TOLD: [&str; 3] = ["signin", "intake", "execute"];

/// What the applications of workers are called.
const WORKERS: &str = "airlock-worker-";

/// Microsoft Graph as the audience of a token.
const GRAPH: &str = "https://graph.microsoft.com";

/// Number of the last call that was recorded.
pub async fn last(stack: &Stack) -> Result<u64, NoStack> {
    let calls = stack.calls(0).await?;
    Ok(calls.last().map_or(0, |call| call.n))
}

/// Calls by caller: `inner door  execute: cosmos 6, vault 3`.
pub fn summary(calls: &[Call]) -> Vec<String> {
    let mut callers: BTreeMap<(usize, &str), BTreeMap<&str, u32>> = BTreeMap::new();
    for call in calls {
        let Some(caller) = call.caller.as_deref() else { continue };
        let place = TOLD.iter().position(|told| *told == caller);
        let place = place.or_else(|| caller.starts_with(WORKERS).then_some(TOLD.len()));
        let Some(place) = place else { continue };
        *callers.entry((place, caller)).or_default().entry(&call.service).or_default() += 1;
    }
    let line = |((_, caller), services): (&(usize, &str), &BTreeMap<&str, u32>)| {
        let door = if is_outer(caller) { "outer" } else { "inner" };
        let services: Vec<String> =
            services.iter().map(|(service, times)| format!("{} {times}", Plain(service))).collect();
        format!("{door} door  {}: {}", Plain(caller), services.join(", "))
    };
    callers.iter().map(line).collect()
}

/// Who got tokens for what, one line for each holder.
pub fn table(tokens: &[Token], names: &Names) -> Vec<String> {
    let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for token in tokens {
        // A token for one of our applications has its client id as audience.
        let known = names.applications.iter().find(|(_, known)| known.client_id == token.audience);
        let audience = known.map_or(token.audience.as_str(), |(name, _)| name);
        holders.entry(kind(&token.holder)).or_default().insert(audience);
    }
    let widest = holders.keys().map(|holder| holder.len()).max().unwrap_or(0);
    holders
        .iter()
        .map(|(holder, audiences)| {
            let audiences: Vec<String> =
                audiences.iter().map(|audience| Plain(audience).to_string()).collect();
            format!("{:widest$}  {}", Plain(holder).to_string(), audiences.join(", "))
        })
        .collect()
}

/// Who ever got a token for the directory.
pub fn graph_holders(tokens: &[Token]) -> BTreeSet<&str> {
    tokens
        .iter()
        .filter(|token| token.audience.trim_end_matches('/') == GRAPH)
        .map(|token| kind(&token.holder))
        .collect()
}

/// Whether an app or application faces the world.
pub fn is_outer(holder: &str) -> bool {
    OUTER.contains(&holder) || holder == PORTAL
}

/// `airlock-portal for <person>` is a token of the portal's, for whomever.
fn kind(holder: &str) -> &str {
    holder.split_once(" for ").map_or(holder, |(application, _)| application)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(holder: &str, audience: &str) -> Token {
        Token { holder: holder.to_owned(), audience: audience.to_owned() }
    }

    fn call(caller: Option<&str>, service: &str) -> Call {
        Call { n: 1, service: service.to_owned(), caller: caller.map(str::to_owned) }
    }

    #[test]
    fn calls_are_counted_by_caller_in_the_order_of_a_requests_way() {
        let calls = [
            call(Some("airlock-worker-accounts"), "graph"),
            call(Some("execute"), "vault"),
            call(Some("intake"), "cosmos"),
            call(Some("intake"), "cosmos"),
            call(Some("drift"), "cosmos"),
            call(None, "entra"),
        ];

        assert_eq!(
            summary(&calls),
            [
                "outer door  intake: cosmos 2",
                "inner door  execute: vault 1",
                "inner door  airlock-worker-accounts: graph 1",
            ]
        );
    }

    #[test]
    fn a_token_of_an_outer_app_for_the_directory_is_noticed() {
        let tokens = [
            token("airlock-worker-methods", GRAPH),
            token("signin", "https://vault.azure.net"),
            token("airlock-portal for 1111", "https://graph.microsoft.com/"),
        ];

        let holders = graph_holders(&tokens);

        assert_eq!(holders, ["airlock-portal", "airlock-worker-methods"].into());
        assert!(is_outer("airlock-portal") && is_outer("intake") && is_outer("signin"));
        assert!(!is_outer("airlock-worker-methods"));
    }

    #[test]
    fn tokens_are_told_once_for_each_holder() {
        let tokens = [
            token("signin", "https://vault.azure.net"),
            token("signin", "https://cosmos.azure.com"),
            token("signin", "https://vault.azure.net"),
            token("intake", "https://vault.azure.net"),
            token("signin", "1111"),
        ];
        let names = json!({ "applications": { "airlock-intake": { "client_id": "1111" } } });

        assert_eq!(
            table(&tokens, &serde_json::from_value(names).unwrap()),
            [
                "intake  https://vault.azure.net",
                "signin  airlock-intake, https://cosmos.azure.com, https://vault.azure.net",
            ]
        );
    }
}
