//! The four ports that people type: portal, API, Entra's pages, control.

use std::{io, net::TcpListener, str::FromStr};

use anyhow::{anyhow, bail};

use crate::front;

/// How often four ports are tried before a machine counts as full.
const TRIES: u32 = 20;

/// Which ports to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Four in a row, from this one on.
    From(u16),
    /// Whichever are free.
    Any,
}

/// Bound listeners.
#[derive(Debug)]
pub struct Bound {
    /// The portal's, on both loopback addresses.
    pub portal: Vec<TcpListener>,
    /// The API's, on both loopback addresses.
    pub api: Vec<TcpListener>,
    /// Of Entra's pages, on 127.0.0.1: another site than `localhost`.
    pub pages: TcpListener,
    /// Of the control API.
    pub control: TcpListener,
}

impl FromStr for Ports {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "any" {
            return Ok(Self::Any);
        }
        match text.parse::<u16>() {
            Ok(first @ 1..=65_532) => Ok(Self::From(first)),
            _ => Err("the first of four ports, or `any`"),
        }
    }
}

impl Ports {
    /// Binds them.
    ///
    /// # Errors
    ///
    /// If one is taken: which, and what to do.
    pub fn bind(self) -> anyhow::Result<Bound> {
        let wanted = |place: u16| match self {
            Self::From(first) => first + place,
            Self::Any => 0,
        };
        Ok(Bound {
            portal: self.both(wanted(0), "the portal")?,
            api: self.both(wanted(1), "the API")?,
            pages: one(wanted(2)).map_err(|error| taken(wanted(2), "Entra's pages", &error))?,
            control: one(wanted(3)).map_err(|error| taken(wanted(3), "control", &error))?,
        })
    }

    fn both(self, port: u16, what: &str) -> anyhow::Result<Vec<TcpListener>> {
        if let Self::From(_) = self {
            return front::bind(port).map_err(|error| taken(port, what, &error));
        }
        // The other address may be in use on the very port that the first one gave us.
        for _ in 0..TRIES {
            if let Ok(both) = front::bind(0) {
                return Ok(both);
            }
        }
        bail!("no port is free for {what}")
    }
}

impl Bound {
    /// The port of a bound listener.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn port(listener: &TcpListener) -> io::Result<u16> {
        Ok(listener.local_addr()?.port())
    }
}

fn one(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
}

fn taken(port: u16, what: &str, error: &io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        return anyhow!(
            "port {port}, wanted for {what}, is taken: end the program that uses it, or start \
             with `--ports any` or another first port"
        );
    }
    anyhow!("port {port}, wanted for {what}, cannot be used: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_together_with_what_to_do() {
        let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = holder.local_addr().unwrap().port();

        let error = Ports::From(port).bind().unwrap_err().to_string();

        assert!(error.contains(&format!("port {port}")), "{error}");
        assert!(error.contains("--ports any"), "{error}");
    }

    #[test]
    fn any_four_ports_are_four_different_ones() {
        let bound = Ports::Any.bind().unwrap();
        let first = [&bound.portal[0], &bound.api[0], &bound.pages, &bound.control];
        let mut ports = first.map(|listener| Bound::port(listener).unwrap());
        ports.sort_unstable();

        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn ports_are_a_number_or_any() {
        assert_eq!("any".parse(), Ok(Ports::Any));
        assert_eq!("7070".parse(), Ok(Ports::From(7070)));
        for wrong in ["", "0", "65533", "-1", "some"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
