//! Policies read while the process already answers its probe.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{NotValid, Policies};

/// The standard policies, read once, off the threads that answer.
#[derive(Default)]
pub struct ReadPolicies(OnceCell<Arc<Policies>>);

impl ReadPolicies {
    /// The policies; whoever asks first waits for them.
    ///
    /// # Errors
    ///
    /// [`NotValid`]: nothing may be judged.
    pub async fn policies(&self) -> Result<Arc<Policies>, NotValid> {
        let read = || async {
            let read = tokio::task::spawn_blocking(Policies::standard).await;
            read.unwrap_or_else(|error| Err(NotValid(error.to_string()))).map(Arc::new)
        };
        self.0.get_or_try_init(read).await.cloned()
    }

    /// Reads the policies now. Ends only if they are not valid: then the process must too.
    pub async fn not_valid(&self) -> NotValid {
        match self.policies().await {
            Err(not_valid) => not_valid,
            Ok(_) => std::future::pending().await,
        }
    }
}
