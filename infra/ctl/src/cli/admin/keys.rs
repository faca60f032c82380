//! Commands about keys.

use std::path::PathBuf;

use airlock_core::{identity::App, jwk::Thumbprint, time::Timestamp};
use clap::{Args, Subcommand};

use super::super::words::{app, thumbprint};
use super::Deployed;
use crate::admin::{KeyName, Version};

/// Options of `admin keys`.
#[derive(Debug, Args)]
pub struct Keys {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// What to do.
    #[command(subcommand)]
    pub order: KeyOrder,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyOrder {
    /// List who may sign what, since when, and whose signatures count no longer
    Show,
    /// Write the signed keyset to a file, for auditors: what `airlockctl verify --keyset` believes
    Export(Export),
    /// Sign and publish the keyset: the public keys of all apps, from Key Vault
    Publish,
    /// List a key before it is used: of a new version handlers believe nothing until it is listed
    Admit(Admit),
    /// Let a key's signatures count no longer; nothing undoes this
    Revoke(Revoke),
    /// Let another key be the admin root: the old root and the new one both sign that
    ///
    /// Keyset, bindings and manifests are signed again by the new root. Until --from both count.
    ReplaceRoot(ReplaceRoot),
}

/// Options of `admin keys export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The file
    pub file: PathBuf,
}

/// Options of `admin keys admit`.
#[derive(Debug, Args)]
pub struct Admit {
    /// The app whose key it is
    #[arg(long, value_parser = app)]
    pub app: App,
    /// Its name in Key Vault: one of those that the deployment grants to the app
    #[arg(long, value_name = "NAME", value_parser = key)]
    pub key: KeyName,
    /// Its version; without it, the newest
    #[arg(long, value_name = "VERSION")]
    pub key_version: Option<Version>,
    /// From when on its signatures count, such as 2027-01-31T08:00:00Z; without it, from now on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
}

/// Options of `admin keys revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Thumbprint of the key, as `admin keys show` lists it
    #[arg(value_name = "KID", value_parser = thumbprint)]
    pub key: Thumbprint,
    /// From when on, now or in the past: what was anchored before still counts
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
}

/// Options of `admin keys replace-root`.
#[derive(Debug, Args)]
pub struct ReplaceRoot {
    /// Name in Key Vault of the key that becomes the root
    #[arg(long, value_name = "NAME", value_parser = key)]
    pub new: KeyName,
    /// Its version; without it, the newest
    #[arg(long, value_name = "VERSION")]
    pub key_version: Option<Version>,
    /// When the old root ends; without it, in ten minutes
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
}

/// The name of a key in Key Vault.
fn key(text: &str) -> Result<KeyName, &'static str> {
    KeyName::try_from(text.to_owned())
}

/// A point in time.
fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("not a time such as 2027-01-31T08:00:00Z")
}
