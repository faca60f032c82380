//! Objects, by the members that they travel with.
//!
//! They mirror types of core's, so that core needs to know nothing of `OpenAPI`. The tests keep
//! that true: they read what core's types write with these, and compare what these write with
//! it, so neither changes alone; and they build each of core's with every member and match every
//! word, so a new one does not compile until it is described. What we read refuses a member that
//! it does not know, and says so here; what we answer may have more of them one day.

mod asked;
mod catalog;
mod findings;
mod proven;
mod secrets;
mod signed;
mod told;
mod words;

pub use self::{
    asked::*, catalog::*, findings::*, proven::*, secrets::*, signed::*, told::*, words::*,
};

#[cfg(test)]
mod tests;
