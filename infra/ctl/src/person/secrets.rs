//! Seeing which secrets are changed on schedule, and which should have been.

use airlock_core::ports::PLATFORM;

use super::{
    Desk,
    view::secrets::{SecretView, Secrets},
};
use crate::{Ending, cli, named};

impl Desk {
    pub(super) async fn secrets(&self, options: &cli::Secrets) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let tenant = match &options.tenant {
            _ if options.platform => PLATFORM.to_owned(),
            Some(named) => named::tenant(self.stack.as_ref(), named).await?.to_string(),
            None => profile.person.tid.to_string(),
        };
        let mut found: Secrets = me.api().find("/api/secrets", &[("tenant", tenant)]).await?;
        if options.overdue {
            found.secrets.retain(SecretView::is_alarming);
        }
        self.form.result(&found, found.told(self.clock.now()))?;
        // For whoever watches: a program that asks for what is overdue wants to find nothing.
        let alarms = options.overdue && !found.secrets.is_empty();
        Ok(if alarms { Ending::Refused } else { Ending::Done })
    }
}
