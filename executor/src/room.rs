//! How many proposals are being made right now: they count as open already, so that many
//! at once do not pass the bound together.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::subject::Subject;
use parking_lot::Mutex;

/// Proposals that are being made, by whom they count for.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<Mutex<BTreeMap<String, u32>>>);

/// A place taken in the room; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Room,
    names: [String; 2],
    /// Others of the same subject that were being made when it was taken.
    pub subject: u32,
    /// Others of the same planner.
    pub planner: u32,
}

impl Room {
    /// Takes a place.
    #[must_use]
    pub fn take(&self, subject: &Subject, planner: &str) -> Place {
        let who = [&subject.tenant, &subject.issuer, &subject.id].map(String::as_str);
        let names = [format!("subject {who:?}"), format!("planner {planner}")];
        let mut taken = self.0.lock();
        let [subject, planner] = names.each_ref().map(|name| {
            let count = taken.entry(name.clone()).or_default();
            *count += 1;
            *count - 1
        });
        drop(taken);
        Place { room: self.clone(), names, subject, planner }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock();
        for name in &self.names {
            if let Some(count) = taken.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(name);
                }
            }
        }
    }
}
