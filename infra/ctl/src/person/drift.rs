//! Seeing what deviates from what was declared, and what would mend it.

use airlock_core::ports::PLATFORM;

use super::{Desk, view::findings::Findings};
use crate::{Ending, cli, named};

impl Desk {
    pub(super) async fn drift(&self, options: &cli::Drift) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let tenant = match &options.tenant {
            _ if options.platform => PLATFORM.to_owned(),
            Some(named) => named::tenant(self.stack.as_ref(), named).await?.to_string(),
            None => profile.person.tid.to_string(),
        };
        let state = if options.resolved { "resolved" } else { "standing" };
        let asked = [("tenant", tenant), ("state", state.to_owned())];
        let found: Findings = me.api().find("/api/findings", &asked).await?;
        if options.plan {
            self.form.result(&found, found.plan())?;
        } else {
            self.form.result(&found, found.table())?;
        }
        Ok(if options.alarm && found.is_alarming() { Ending::Refused } else { Ending::Done })
    }
}
