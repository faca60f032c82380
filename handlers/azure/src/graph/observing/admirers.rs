//! Applications that trust Airlock's managed identities.

use std::collections::BTreeMap;

use airlock_core::{
    drift::{
        actual::{Admirer, Federated},
        sources::Changed,
    },
    identity::{ObjectId, TenantId},
    ports::PortError,
};

use super::{
    federated::{self, ANYBODY, WHAT},
    understood,
};
use crate::{
    failure::in_time,
    graph::{Graph, OBSERVER, batch::Questions},
};

/// Applications that are asked for together.
const TOGETHER: usize = 20;

impl Graph {
    pub(super) async fn read_admirers(
        &self,
        tenant: TenantId,
        changed: &[Changed],
        subjects: &[ObjectId],
    ) -> Result<Vec<Admirer>, PortError> {
        let subjects: Vec<String> = subjects.iter().map(ObjectId::to_string).collect();
        // Each once: Graph may tell of one several times.
        let there: BTreeMap<ObjectId, ObjectId> =
            changed.iter().filter_map(|one| Some((one.object, one.client?))).collect();
        let there: Vec<(ObjectId, ObjectId)> = there.into_iter().collect();
        let mut admirers = Vec::new();
        for some in there.chunks(TOGETHER) {
            let paths: Vec<String> =
                some.iter().map(|(object, _)| federated::path(*object)).collect();
            let questions = Questions { application: OBSERVER, tenant, what: WHAT, paths: &paths };
            let answers = in_time(self.ask_for_all_of_each(questions)).await?;
            for (&(object, client), answer) in some.iter().zip(answers) {
                // One that is gone since trusts nobody.
                let found = federated::all(understood(answer.unwrap_or_default(), WHAT)?);
                let trusting = found.into_iter().filter(|one| trusts(one, &subjects, tenant));
                admirers.extend(trusting.map(|federated| Admirer { object, client, federated }));
            }
        }
        Ok(admirers)
    }
}

/// Whether a credential is for one of these subjects, or may be.
///
/// Entra compares exactly. Whoever has written one of ours in other letters meant it all the
/// same, and an expression that names one is made to match it.
fn trusts(federated: &Federated, subjects: &[String], tenant: TenantId) -> bool {
    let subject = federated.subject.to_ascii_lowercase();
    // Managed identities are trusted in their own tenant alone, whose tokens name it in their
    // issuer: of anybody's, those of another issuer are never ours.
    let anybodys =
        subject == ANYBODY && federated.issuer.to_ascii_lowercase().contains(&tenant.to_string());
    anybodys || subjects.iter().any(|ours| subject.contains(ours))
}
