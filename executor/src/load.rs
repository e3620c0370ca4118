//! How much is worked on at once. Bounded as a whole, so that memory does not grow with
//! what is asked; and a tenant and pack may hold no more than what is still free (the
//! dynamic threshold of Choudhury and Hahne, 1998, with factor 1). So one slow backend takes
//! half of the room at most, and many of them leave as much free as each one holds, once
//! what began before they were so many has ended. What finds no room is answered at once
//! and has changed nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::error::Refused;
use countersign_shared::codes::Code;
use parking_lot::Mutex;

/// Reads, dry runs and actions at once.
const MOST: u32 = 2048;

/// What is being worked on. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Load(Arc<Mutex<Busy>>);

#[derive(Debug, Default)]
struct Busy {
    all: u32,
    each: BTreeMap<Backend, u32>,
}

type Backend = (String, String);

/// A piece of work; over when it is dropped.
#[derive(Debug)]
pub struct Work {
    load: Load,
    backend: Backend,
}

impl Load {
    /// Begins work for a tenant with a tool.
    ///
    /// # Errors
    /// `OVERLOADED`.
    pub fn begin(&self, tenant: &str, tool: &str) -> Result<Work, Refused> {
        let pack = tool.split_once('.').map_or(tool, |(pack, _)| pack);
        let backend = (tenant.to_owned(), pack.to_owned());
        let mut busy = self.0.lock();
        let here = busy.each.get(&backend).copied().unwrap_or_default();
        if here >= MOST - busy.all {
            let message = format!(
                "{here} requests to {pack} are being worked on and no room is left for more; \
                 try again"
            );
            return Err(Refused::new(Code::Overloaded, message));
        }
        busy.all += 1;
        busy.each.insert(backend.clone(), here + 1);
        drop(busy);
        Ok(Work { load: self.clone(), backend })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut busy = self.load.0.lock();
        busy.all -= 1;
        if let Some(here) = busy.each.get_mut(&self.backend) {
            *here -= 1;
            if *here == 0 {
                busy.each.remove(&self.backend);
            }
        }
    }
}

#[cfg(test)]
mod tests;
