//! `try`: a whole story against the local cloud, for a first look and as a check of it all.
//!
//! Everything goes through the same doors as anyone's requests. What is told of each door is
//! what the local cloud recorded there; what is promised is checked, and a promise that is not
//! kept ends the command with 1.

mod doors;
mod exceptions;
mod people;
mod teller;

use anyhow::{Context as _, bail};

use airlock_core::{
    catalog,
    decision::Verdict,
    identity::{ObjectId, TenantId},
    record::State,
};
use serde_json::Map;

use self::{
    people::{Cast, Player},
    teller::Teller,
};
use crate::{
    Ending, Surroundings, Usage,
    cli::{Place, Try},
    foreign::Word,
    person::{
        api::Api,
        me::{
            NotRevealed, Order,
            opened::{NotDecided, Recognised},
        },
        view::RequestView,
    },
    stack::Stack,
};

/// For how long the story's requests may wait, in seconds.
const LIFETIME_S: i64 = 600;

/// How long the story waits for a request to end, in seconds.
const PATIENCE_S: i64 = 60;

/// Plays the story.
///
/// # Errors
///
/// If it cannot go on.
pub async fn play(
    place: &Place,
    options: &Try,
    surroundings: &Surroundings,
) -> anyhow::Result<Ending> {
    let stack = Stack::read(&place.stack)?;
    if place.api.as_ref().is_some_and(|api| *api != stack.api) {
        return Err(Usage("try plays against the local cloud only".to_owned()).into());
    }
    let mut story = Story {
        cast: Cast::gather(&stack, surroundings).await?,
        teller: Teller::new(options.quiet, doors::last(&stack).await?),
        stack,
    };
    story.play().await.with_context(|| format!("in scene {}", story.teller.scene_number()))?;
    story.teller.end()
}

struct Story {
    stack: Stack,
    cast: Cast,
    teller: Teller,
}

impl Story {
    async fn play(&mut self) -> anyhow::Result<()> {
        let [harriet, sam, april, tara] = self.sign_in().await?;
        let nina = self.cast.target("nina@contoso.example")?;
        let oscar = self.cast.target("oscar@contoso.example")?;
        let olga = self.cast.target("olga@contoso.example")?;
        self.harmless(&harriet, &nina).await?;
        self.approved(&harriet, &april, &oscar).await?;
        self.taken_back(&harriet, &april, &nina).await?;
        self.emergency(&tara, &april, &oscar).await?;
        self.account_back(&harriet, &april, &oscar).await?;
        self.secret(&sam, &nina).await?;
        self.protected(&sam, &olga).await?;
        self.tokens().await
    }

    /// Four people sign in: each with a client key of their own, and a confirmed ID token.
    async fn sign_in(&mut self) -> anyhow::Result<[Player; 4]> {
        self.teller.scene("Four people sign in, each with a key of their own")?;
        let mut players = Vec::new();
        for name in ["harriet", "sam", "april", "tara"] {
            let person = format!("{name}@contoso.example");
            let player = self.cast.sign_in(&self.stack, &person).await?;
            let roles: Vec<&str> = player.session.roles.iter().map(|role| role.name()).collect();
            self.teller.says(format_args!("{}: {}", player.session.name, roles.join(", ")))?;
            players.push(player);
        }
        self.doors().await?;
        players.try_into().map_err(|_| anyhow::anyhow!("four people, four sessions"))
    }

    /// Low risk: carried out at once.
    async fn harmless(&mut self, harriet: &Player, nina: &Target) -> anyhow::Result<()> {
        let title = format!("{} signs {} out everywhere (low risk)", harriet.name(), nina.name);
        self.teller.scene(title)?;
        let view = self.ask(harriet, "sessions.revoke", nina, "her laptop was stolen").await?;
        let view = self.ending(harriet, &view).await?;
        self.teller.promise(view.state.is(State::Succeeded), "it is done without an approval")?;
        self.doors().await
    }

    /// Medium risk: a second person decides.
    async fn approved(
        &mut self,
        harriet: &Player,
        april: &Player,
        oscar: &Target,
    ) -> anyhow::Result<()> {
        let title = format!("{} disables {}'s account (medium risk)", harriet.name(), oscar.name);
        self.teller.scene(title)?;
        let view = self.ask(harriet, "account.disable", oscar, "he left the company").await?;
        self.teller.promise(view.state.is(State::Pending), "it waits for an approval")?;
        self.doors().await?;

        self.teller.scene(format!("{} tries to approve it herself", harriet.name()))?;
        let mine = self.recognised(harriet, &view, "account.disable", oscar).await?;
        let own = harriet.me.decide(&mine, Verdict::Approve, "it is mine").await;
        let refused = matches!(&own, Err(NotDecided::Api(error)) if error.is_refusal(403));
        if let Err(error) = own {
            self.teller.says(error)?;
        }
        self.teller.promise(refused, "nobody decides their own request")?;
        self.doors().await?;

        self.teller.scene(format!("{} reads and approves it", april.name()))?;
        let view = self.approve(april, &view, "account.disable", oscar).await?;
        self.teller.promise(view.state.is(State::Succeeded), "it is done")?;
        let enabled = self.is_enabled(oscar).await?;
        self.teller.promise(!enabled, "the directory says: the account is disabled")?;
        self.doors().await?;
        self.account_back(harriet, april, oscar).await
    }

    /// Medium risk too.
    async fn account_back(
        &mut self,
        harriet: &Player,
        april: &Player,
        oscar: &Target,
    ) -> anyhow::Result<()> {
        self.teller.scene(format!(
            "{} asks for {}'s account back, and {} approves",
            harriet.name(),
            oscar.name,
            april.name()
        ))?;
        let view = self.ask(harriet, "account.enable", oscar, "it was a mistake after all").await?;
        let view = self.approve(april, &view, "account.enable", oscar).await?;
        let enabled = self.is_enabled(oscar).await?;
        self.teller.promise(
            view.state.is(State::Succeeded) && enabled,
            "it is done, and the directory says: the account is enabled",
        )?;
        self.doors().await
    }

    /// A secret result: encrypted by the worker to the requester's client, shown once.
    async fn secret(&mut self, sam: &Player, nina: &Target) -> anyhow::Result<()> {
        let title =
            format!("{} issues {} a Temporary Access Pass (a secret)", sam.name(), nina.name);
        self.teller.scene(title)?;
        let order = order("tap.issue", nina, "she has a new phone");
        let prepared = sam.me.prepare(&order).await?;
        let view = sam.me.send(&prepared).await?;
        let view = self.ending(sam, &view).await?;
        self.teller
            .promise(view.state.is(State::Succeeded), "a senior agent needs no approval for it")?;
        let key = prepared.reveal.as_ref().context("a pass without a key to encrypt it to")?;
        let pass = sam.me.reveal(view.id, key).await?;
        self.teller.says(format_args!(
            "the pass, decrypted here with the request's own key: {}",
            pass.expose()
        ))?;
        let again = sam.me.reveal(view.id, key).await;
        let gone = matches!(again, Err(NotRevealed::Api(error)) if error.is_refusal(410));
        self.teller.promise(gone, "it is shown once: the second time it is gone")?;
        self.doors().await
    }

    /// A privileged target: only the worker can see that, and it refuses.
    async fn protected(&mut self, sam: &Player, olga: &Target) -> anyhow::Result<()> {
        let title =
            format!("{} asks for a pass for {}, who is an administrator", sam.name(), olga.name);
        self.teller.scene(title)?;
        let view = self.ask(sam, "tap.issue", olga, "she asked me to").await?;
        let view = self.ending(sam, &view).await?;
        let unharmed = view.state.is(State::Refused) && view.reveal.is_none();
        self.teller.promise(unharmed, "the worker refuses, and no pass was made")?;
        self.doors().await
    }

    /// Who ever got a token for what.
    async fn tokens(&mut self) -> anyhow::Result<()> {
        self.teller.scene("Who got which token, since the local cloud began")?;
        let tokens = self.stack.tokens(0).await?;
        let names = self.stack.names().await?;
        for line in doors::table(&tokens.issued, &names) {
            self.teller.says(line)?;
        }
        let privileged = doors::graph_holders(&tokens.issued);
        let outer: Vec<&str> =
            privileged.iter().copied().filter(|holder| doors::is_outer(holder)).collect();
        self.teller.promise(
            outer.is_empty() && !privileged.is_empty(),
            "only workers ever got a token for the directory; signin and intake never did",
        )?;
        Ok(())
    }

    async fn ask(
        &mut self,
        player: &Player,
        operation: &str,
        target: &Target,
        purpose: &str,
    ) -> anyhow::Result<RequestView> {
        self.send(player, &order(operation, target, purpose)).await
    }

    async fn send(&mut self, player: &Player, order: &Order) -> anyhow::Result<RequestView> {
        let prepared = player.me.prepare(order).await?;
        let view = player.me.send(&prepared).await?;
        if view.id != prepared.id {
            bail!("the API took another request than the one that was signed");
        }
        self.teller.says(format_args!("{}: {}", order.operation, view.standing()))?;
        Ok(view)
    }

    /// Reads a request, which must be for this.
    async fn recognised(
        &self,
        player: &Player,
        view: &RequestView,
        operation: &str,
        target: &Target,
    ) -> anyhow::Result<Recognised> {
        let opened = player.me.open(view.id).await?;
        Ok(opened.recognise(operation, &target.object.to_string())?)
    }

    /// Approves, and waits for the end.
    async fn approve(
        &mut self,
        april: &Player,
        view: &RequestView,
        operation: &str,
        target: &Target,
    ) -> anyhow::Result<RequestView> {
        let request = self.recognised(april, view, operation, target).await?;
        let view = april.me.decide(&request, Verdict::Approve, "I called him").await?;
        self.ending(april, &view).await
    }

    async fn ending(&mut self, player: &Player, view: &RequestView) -> anyhow::Result<RequestView> {
        let until = self.cast.now().plus_s(PATIENCE_S);
        let view = player.me.watch(view.id, Some(until), |_| {}).await?;
        self.teller.says(format_args!("{}: {}", Word(&view.operation), view.standing()))?;
        Ok(view)
    }

    async fn is_enabled(&self, target: &Target) -> anyhow::Result<bool> {
        let directory = self.stack.directory().await?;
        let (_, person) = directory.person(&target.user).context("nobody of that name any more")?;
        Ok(person.enabled)
    }

    /// Tells what was recorded at the doors since the last time.
    async fn doors(&mut self) -> anyhow::Result<()> {
        let calls = self.stack.calls(self.teller.seen()).await?;
        self.teller.doors(&calls)
    }
}

/// Somebody whom the story is about.
pub struct Target {
    user: String,
    name: String,
    object: ObjectId,
    tenant: TenantId,
}

fn order(operation: &str, target: &Target, purpose: &str) -> Order {
    Order {
        operation: operation.to_owned(),
        target: catalog::Target::User(target.object),
        tenant: target.tenant,
        parameters: Map::new(),
        purpose: purpose.to_owned(),
        ticket: None,
        break_glass: false,
        lifetime_s: LIFETIME_S,
    }
}

/// An API at the local cloud.
fn api(stack: &Stack) -> anyhow::Result<Api> {
    Ok(Api::new(stack.api.clone())?)
}
