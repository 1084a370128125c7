//! What every decision needs besides the facts that it is about: the time, and the list of actions that it adds to.

use serde::{Deserialize, Serialize};

use super::clock::Clock;
#[cfg(test)]
use super::mutation::Mutation;
use super::{Action, Answer, Moment, Report, Token};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Effects {
    pub(super) clock: Clock,
    /// Of the call in progress: none between two of them.
    #[serde(skip)]
    pub(super) actions: Vec<Action>,
    #[cfg(test)]
    #[serde(skip)]
    pub(super) mutation: Option<Mutation>,
}

impl Effects {
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn report(&mut self, report: Report) {
        self.act(Action::Report(report));
    }

    pub(super) fn reply(&mut self, token: Token, answer: Answer) {
        self.act(Action::Reply { token, answer });
    }
}
