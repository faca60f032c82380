//! Somebody who types.

use std::{
    io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use crate::terminal::Terminal;

/// Answers every question alike, and remembers them.
pub struct Typist {
    answer: &'static str,
    asked: Mutex<Vec<String>>,
}

impl Typist {
    /// Somebody who types this.
    pub fn who_types(answer: &'static str) -> Arc<Self> {
        Arc::new(Self { answer, asked: Mutex::default() })
    }

    /// What they were asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Terminal for Typist {
    async fn ask(&self, question: &str) -> io::Result<String> {
        self.asked.lock().unwrap().push(question.to_owned());
        Ok(self.answer.to_owned())
    }
}
