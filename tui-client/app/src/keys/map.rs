//! The key bindings in force.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;

use super::{Action, Binding, KeyChord, KeyContext, KeyRow, KeySequence};
use crate::composer::Edit;

/// A label longer than this is shortened if its keys have the same modifiers.
const LONG: usize = 16;

/// The actions that must have a key.
const NEEDED: [Action; 1] = [Action::Send];

/// The key bindings. There is always a key that sends; `/quit` always leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    chat: Vec<BoundAction>,
    selected: Vec<BoundAction>,
}

/// An action with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BoundAction {
    action: Action,
    keys: Vec<KeySequence>,
}

/// A change of an action's keys by the configuration.
#[derive(Clone, Debug)]
pub struct KeyChange {
    /// The situation in which the keys apply.
    pub context: KeyContext,
    /// The binding that changes.
    pub binding: &'static Binding,
    /// The new keys; if empty, the action has no key.
    pub keys: Vec<KeySequence>,
}

/// Why a change of keys is not possible.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyConflict {
    /// The key types a character.
    #[error("{0} alone is for writing: put Ctrl- or Alt- before it, or take another key")]
    Writes(KeyChord),
    /// Two keys were given where only one is possible.
    #[error("{0} is two keys: on a selected line, give one")]
    Two(KeySequence),
    /// Another action has the key.
    #[error("{keys} is taken by {other}, which has {theirs}: take another key for one of them")]
    Twice {
        /// The keys that were given.
        keys: KeySequence,
        /// The name of the other action.
        other: &'static str,
        /// The keys of the other action, which are the same or begin with the same key.
        theirs: KeySequence,
    },
    /// A required action would be left without a key.
    #[error("no key is left for {0}: give it one that nothing else has")]
    Needed(&'static str),
}

impl Default for Keymap {
    fn default() -> Self {
        let bound = |context: KeyContext| context.bindings().map(BoundAction::new).collect();
        Self {
            chat: bound(KeyContext::Chat),
            selected: bound(KeyContext::Selected),
        }
    }
}

impl BoundAction {
    fn new(binding: &Binding) -> Self {
        Self {
            action: binding.action,
            keys: binding
                .keys
                .iter()
                .filter_map(|keys| keys.parse().ok())
                .collect(),
        }
    }
}

impl KeyChange {
    /// Checks this change against earlier ones.
    ///
    /// # Errors
    /// A key types a character or belongs to another action, or a required action has no key.
    pub fn check(&self, others: &[Self]) -> Result<(), KeyConflict> {
        if self.keys.is_empty()
            && self.context == KeyContext::Chat
            && NEEDED.contains(&self.binding.action)
        {
            return Err(KeyConflict::Needed(self.binding.name));
        }
        for &keys in &self.keys {
            if self.context == KeyContext::Chat && keys.first.writes() {
                return Err(KeyConflict::Writes(keys.first));
            }
            if self.context == KeyContext::Selected && keys.then.is_some() {
                return Err(KeyConflict::Two(keys));
            }
            for other in others.iter().filter(|other| other.context == self.context) {
                if let Some(&theirs) = other.keys.iter().find(|theirs| overlap(keys, **theirs)) {
                    let other = other.binding.name;
                    return Err(KeyConflict::Twice {
                        keys,
                        other,
                        theirs,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Whether one is equal to the other or begins it.
fn overlap(one: KeySequence, other: KeySequence) -> bool {
    one.first == other.first
        && (one.then.is_none() || other.then.is_none() || one.then == other.then)
}

impl Keymap {
    /// The default bindings with these changes. A key that a change assigns is taken from the
    /// action that has it by default.
    ///
    /// # Errors
    /// No key is left for a required action.
    pub fn with(changes: &[KeyChange]) -> Result<Self, KeyConflict> {
        let mut map = Self::default();
        for change in changes {
            for bound in map.bound_mut(change.context) {
                let taken = |keys: &KeySequence| change.keys.iter().any(|own| overlap(*own, *keys));
                bound.keys.retain(|keys| !taken(keys));
            }
        }
        for change in changes {
            for bound in map.bound_mut(change.context) {
                if bound.action == change.binding.action {
                    bound.keys.clone_from(&change.keys);
                }
            }
        }
        for needed in NEEDED {
            if map.key(needed).is_none() {
                let name = KeyContext::Chat
                    .bindings()
                    .find(|binding| binding.action == needed);
                return Err(KeyConflict::Needed(name.map_or("", |binding| binding.name)));
            }
        }
        Ok(map)
    }

    fn bound(&self, context: KeyContext) -> &[BoundAction] {
        match context {
            KeyContext::Chat => &self.chat,
            KeyContext::Selected => &self.selected,
        }
    }

    fn bound_mut(&mut self, context: KeyContext) -> &mut [BoundAction] {
        match context {
            KeyContext::Chat => &mut self.chat,
            KeyContext::Selected => &mut self.selected,
        }
    }

    /// The action of a key, or `None` if it has none.
    pub fn action(&self, event: KeyEvent) -> Option<Action> {
        let key = KeyChord::of(event);
        let mut found = self
            .all(KeyContext::Chat)
            .filter(|(_, keys)| keys.first == key);
        found
            .next()
            .map(|(action, keys)| match keys.then {
                None => action,
                Some(_) => Action::Prefix(key),
            })
            .or_else(|| typed(event))
    }

    /// The action of a key pressed after the key `first`, or `None` if it has none.
    pub fn after_prefix(&self, first: KeyChord, event: KeyEvent) -> Option<Action> {
        let then = Some(KeyChord::of(event));
        let keys = KeySequence { first, then };
        let mut all = self.all(KeyContext::Chat);
        all.find(|(_, own)| *own == keys).map(|(action, _)| action)
    }

    /// The action of a key on the selected line, or `None` if it has its usual one.
    pub fn selected(&self, event: KeyEvent) -> Option<Action> {
        let key = KeyChord::of(event);
        let mut all = self.all(KeyContext::Selected);
        all.find(|(_, keys)| keys.first == key)
            .map(|(action, _)| action)
    }

    /// All actions of a context, with each of their keys.
    pub(crate) fn all(&self, context: KeyContext) -> impl Iterator<Item = (Action, KeySequence)> {
        let bound = self.bound(context).iter();
        bound.flat_map(|bound| bound.keys.iter().map(|keys| (bound.action, *keys)))
    }

    /// The first key of an action in the chat.
    pub fn key(&self, action: Action) -> Option<KeySequence> {
        self.key_in(KeyContext::Chat, action)
    }

    /// The first key of an action in this context.
    pub fn key_in(&self, context: KeyContext, action: Action) -> Option<KeySequence> {
        let mut all = self.all(context);
        all.find(|(own, _)| *own == action).map(|(_, keys)| keys)
    }

    /// The key of an action followed by `does`, for a hint; `None` if it has no key.
    pub fn hint(&self, action: Action, does: &str) -> Option<String> {
        self.key(action).map(|key| format!("{key} {does}"))
    }

    /// The keys that can follow this one, for a hint.
    pub fn offers(&self, first: KeyChord) -> String {
        let mut offers = Vec::new();
        for (binding, bound) in KeyContext::Chat.bindings().zip(&self.chat) {
            let then = |keys: &KeySequence| keys.then.filter(|_| keys.first == first);
            if let Some(then) = bound.keys.iter().find_map(then) {
                offers.push(format!("{then} {}", binding.name));
            }
        }
        format!("{first}: {}", offers.join(" · "))
    }

    /// The rows of this context that have a key, with their keys, in the order of the help.
    pub fn rows(&self, context: KeyContext) -> impl Iterator<Item = (String, &'static KeyRow)> {
        let mut rest = self.bound(context);
        context.rows().iter().filter_map(move |row| {
            let (own, others) = rest.split_at(row.bindings.len());
            rest = others;
            let keys = label(row, own);
            (!keys.is_empty()).then_some((keys, row))
        })
    }
}

/// All keys of a row in the notation of the help: "Alt-U, -L, -C". Empty if the row has no key or
/// does not need to be explained.
fn label(row: &KeyRow, bound: &[BoundAction]) -> String {
    let usual = || row.bindings.iter().map(BoundAction::new);
    if row.obvious && usual().eq(bound.iter().cloned()) {
        return String::new();
    }
    let shown: Vec<KeySequence> = bound.iter().flat_map(|own| own.keys.clone()).collect();
    let full: Vec<String> = shown.iter().map(ToString::to_string).collect();
    let label = full.join(", ");
    let held = shown.first().map(|keys| keys.first.held());
    match held.filter(|held| !held.is_empty()) {
        Some(held)
            if label.len() > LONG
                && shown
                    .iter()
                    .all(|keys| keys.then.is_none() && keys.first.held() == held) =>
        {
            label.replace(&format!(", {held}"), ", -")
        }
        _ => label,
    }
}

/// The insertion of the character that a key types.
fn typed(event: KeyEvent) -> Option<Action> {
    const ALT_GR: KeyModifiers = KeyModifiers::CONTROL.union(KeyModifiers::ALT);
    match event.code {
        // Some keyboards send AltGr as Ctrl and Alt together. It types no letters or digits of ASCII:
        // with those, it is Esc and a control character in one read.
        KeyCode::Char(c)
            if event.modifiers.difference(KeyModifiers::SHIFT).is_empty()
                || event.modifiers == ALT_GR && !(c.is_ascii_alphanumeric() || c == ' ') =>
        {
            Some(Action::Edit(Edit::Insert(c)))
        }
        _ => None,
    }
}
