//! The stories: between them, they make every call that the three handlers make.

use serde_json::json;

use super::{
    requests::{Done, Wish, again_by_a_service, by_a_service, by_an_event, carried_out},
    sign_in,
    stage::{Broken, Scene},
};

/// A licence of which there are enough.
const ENTERPRISEPACK: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";

/// What is done at once.
pub const ASKED: Story = Story::Asks("sessions.revoke", "nina");
/// What waits for an approval.
pub const APPROVED: Story = Story::Asks("account.disable", "gus");
/// What is shown to its requester.
pub const REVEALED: Story = Story::Asks("laps.read", "nina");

/// What somebody does, from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// A person signs in by a program.
    SignIn,
    /// A person signs in, and nobody has since the day began.
    SignInOnANewDay,
    /// The portal calls the API in a person's name.
    CallTheApi,
    /// A person signs out.
    SignOut,
    /// This user signs out at Entra.
    SignsOutAtEntra(&'static str),
    /// A person asks for an operation, on this user.
    Asks(&'static str, &'static str),
    /// A person asks, the first in their tenant.
    AsksFirst,
    /// A service asks.
    Service,
    /// A service asks what became of what it asked before.
    ServiceAgain,
    /// A producer's event asks.
    Event,
}

/// What came of a story that kept its promises.
pub enum Played {
    /// Something else, in these words.
    Otherwise(&'static str),
    /// A request that was carried out.
    Request(Box<Done>),
}

impl Story {
    /// Whether it is the same but for the user.
    pub fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Asks(one, _), Self::Asks(other, _)) => one == other,
            (Self::SignsOutAtEntra(_), Self::SignsOutAtEntra(_)) => true,
            _ => self == other,
        }
    }

    /// Plays it.
    ///
    /// # Errors
    ///
    /// The promise that did not hold.
    pub async fn play(self, scene: &Scene<'_>) -> Result<Played, Broken> {
        let harriet = scene.stage.who("harriet");
        let done = match self {
            Self::SignIn | Self::SignInOnANewDay => {
                sign_in::sign_in(scene, &harriet).await?;
                return Ok(Played::Otherwise("signed in"));
            }
            Self::CallTheApi => {
                sign_in::call_the_api(scene, &harriet).await?;
                return Ok(Played::Otherwise("claims told"));
            }
            Self::SignOut => {
                sign_in::sign_out(scene, &harriet).await?;
                return Ok(Played::Otherwise("signed out"));
            }
            Self::SignsOutAtEntra(user) => {
                sign_in::sign_out_at_entra(scene, &scene.stage.who(user)).await?;
                return Ok(Played::Otherwise("signed out"));
            }
            Self::Asks(operation, user) => asked(scene, operation, user).await?,
            Self::AsksFirst => {
                let (asker, on) = (&scene.stage.wanda, scene.stage.who("willem"));
                let (operation, parameters) = ("sessions.revoke", json!({}));
                carried_out(scene, Wish { asker, operation, on, parameters }).await?
            }
            Self::ServiceAgain => {
                again_by_a_service(scene).await?;
                return Ok(Played::Otherwise("the same request"));
            }
            Self::Service => by_a_service(scene).await?,
            Self::Event => by_an_event(scene).await?,
        };
        Ok(Played::Request(Box::new(done)))
    }
}

async fn asked(
    scene: &Scene<'_>,
    operation: &'static str,
    user: &'static str,
) -> Result<Done, Broken> {
    let stage = scene.stage;
    let on = stage.who(user);
    let tenant = &stage.directory["tenants"][on.tenant.to_string()];
    let laptop = &tenant["devices"]["NINA-LAPTOP"];
    let group = &tenant["groups"]["Travel Booking"]["id"];
    let parameters = match operation {
        "group.add" | "group.remove" => json!({ "group": group }),
        "license.assign" => json!({ "sku": ENTERPRISEPACK }),
        "mfa.reset" => json!({ "methods": "passkey" }),
        "laps.read" => json!({ "device": laptop["deviceId"] }),
        "bitlocker.read" => json!({ "key": laptop["recoveryKeys"][0]["id"] }),
        _ => json!({}),
    };
    if operation == "group.remove" {
        // Who is to go has to be there.
        let parameters = parameters.clone();
        let wish =
            Wish { asker: &stage.harriet, operation: "group.add", on: on.clone(), parameters };
        carried_out(&stage.scene(), wish).await?;
    }
    // Secrets are a senior agent's to ask for.
    let secrets = ["tap.issue", "laps.read", "bitlocker.read"];
    let asker = if secrets.contains(&operation) { &stage.sam } else { &stage.harriet };
    carried_out(scene, Wish { asker, operation, on, parameters }).await
}
