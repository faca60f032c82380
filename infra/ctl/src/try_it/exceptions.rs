//! What goes another way than usual: a request that is taken back, and an emergency.

use airlock_core::{decision::Verdict, record::State};

use super::{Order, Player, Story, Target, order};
use crate::person::{me::opened::NotDecided, view::Review};

impl Story {
    /// Whoever asked takes it back: from then on nobody can approve it.
    pub(super) async fn taken_back(
        &mut self,
        harriet: &Player,
        april: &Player,
        nina: &Target,
    ) -> anyhow::Result<()> {
        self.teller.scene(format!(
            "{} asks to disable {}'s account, and takes it back",
            harriet.name(),
            nina.name
        ))?;
        let view = self.ask(harriet, "account.disable", nina, "she left the company").await?;
        // Read while it still waits, and approved only once it is gone.
        let read = self.recognised(april, &view, "account.disable", nina).await?;
        let mine = harriet.me.open(view.id).await?;
        let view = harriet.me.withdraw(&mine, "it was another person").await?;
        self.teller.says(format_args!("account.disable: {}", view.standing()))?;
        self.teller.promise(view.state.is(State::Withdrawn), "it is taken back")?;
        let late = april.me.decide(&read, Verdict::Approve, "I called her").await;
        let refused = matches!(&late, Err(NotDecided::Api(error)) if error.is_refusal(409));
        if let Err(error) = late {
            self.teller.says(error)?;
        }
        let enabled = self.is_enabled(nina).await?;
        self.teller.promise(refused && enabled, "an approval that comes too late does nothing")?;
        self.doors().await
    }

    /// The glass is broken: carried out at once, and somebody else looks at it afterwards.
    pub(super) async fn emergency(
        &mut self,
        tara: &Player,
        april: &Player,
        oscar: &Target,
    ) -> anyhow::Result<()> {
        self.teller.scene(format!(
            "{} breaks the glass: {}'s account is being abused right now",
            tara.name(),
            oscar.name
        ))?;
        let purpose = "somebody else uses his account right now";
        let emergency = Order { break_glass: true, ..order("account.disable", oscar, purpose) };
        let view = self.send(tara, &emergency).await?;
        let view = self.ending(tara, &view).await?;
        let enabled = self.is_enabled(oscar).await?;
        self.teller.promise(
            view.state.is(State::Succeeded) && !enabled,
            "a tenant administrator's emergency is carried out without an approval",
        )?;
        self.teller.promise(view.review == Some(Review::Due), "and it waits for a review")?;
        self.doors().await?;

        self.teller.scene(format!("{} tries to review it herself", tara.name()))?;
        let mine = self.recognised(tara, &view, "account.disable", oscar).await?;
        let own = tara.me.decide(&mine, Verdict::Review, "it was right").await;
        let refused = matches!(&own, Err(NotDecided::Api(error)) if error.is_refusal(403));
        if let Err(error) = own {
            self.teller.says(error)?;
        }
        self.teller.promise(refused, "nobody reviews their own emergency")?;

        self.teller.scene(format!("{} reads and reviews it", april.name()))?;
        let read = self.recognised(april, &view, "account.disable", oscar).await?;
        let view = april.me.decide(&read, Verdict::Review, "I spoke to both of them").await?;
        self.teller.says(format_args!("account.disable: {}", view.standing()))?;
        self.teller.promise(view.review == Some(Review::Done), "it is reviewed")?;
        self.doors().await
    }
}
