//! What anybody outside was told, by the place where they heard it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use parking_lot::Mutex;
use prost::Message;
use tonic::{Response, Status};

#[derive(Default)]
pub struct Heard {
    places: Mutex<BTreeMap<&'static str, Vec<u8>>>,
}

pub const RPC: &str = "answers of RPCs";
pub const COMMANDS: &str = "output of commands";
pub const PAGES: &str = "status pages";
pub const CONSOLE: &str = "the approval page";

impl Heard {
    pub fn note(&self, place: &'static str, bytes: impl AsRef<[u8]>) {
        let mut places = self.places.lock();
        let heard = places.entry(place).or_default();
        heard.extend_from_slice(bytes.as_ref());
        heard.push(b'\n');
    }

    /// An answer as it was on the wire, and as a log line would show it.
    pub fn rpc<T: Message + Debug>(&self, answer: Result<Response<T>, Status>) -> Option<T> {
        let told = match &answer {
            Ok(answer) => answer.get_ref().encode_to_vec(),
            Err(status) => [status.message().as_bytes(), status.details()].concat(),
        };
        self.note(RPC, told);
        self.note(RPC, format!("{answer:?}"));
        answer.ok().map(Response::into_inner)
    }

    pub fn places(&self) -> BTreeMap<&'static str, Vec<u8>> {
        self.places.lock().clone()
    }
}
