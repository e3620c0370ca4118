//! How far the model goes, and what is taken out of it to show that it is needed.

/// How often each thing may happen. The check is exhaustive within them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long an action may take; a lease lasts one.
    pub(crate) ticks: u8,
    /// How often the planner asks for each of the three writes.
    pub(crate) asks: [u8; 3],
    /// How often something goes wrong: a process is killed or stands still, a backend
    /// refuses, throttles or gets a request twice, staff closes the sale, a read fails.
    /// That a request, an answer or a reply is late or lost costs nothing.
    pub(crate) mishaps: u8,
}

/// What the world goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Nothing: it is whole.
    Nothing,
    /// The store writes for executors that were declared dead, and they look at no lease.
    Fence,
    /// A request leaves before its intent is durable; the receipt is the first commit.
    Intent,
    /// The contract believes that the backend keeps a key far longer than it does.
    Window,
    /// A claim does not see that another write holds the object.
    Lock,
}

/// Three writes and one mishap; two and two; a repeat and one.
const WALKS: [Bounds; 3] = [
    Bounds { ticks: 4, asks: [1, 1, 1], mishaps: 1 },
    Bounds { ticks: 5, asks: [1, 1, 0], mishaps: 2 },
    Bounds { ticks: 5, asks: [2, 1, 0], mishaps: 1 },
];

impl Bounds {
    /// Those, or the one walk of `COUNTERSIGN_MODEL_BOUNDS`, such as
    /// `ticks=8 asks=2,2,2 mishaps=3`.
    pub(crate) fn walks() -> Vec<Self> {
        match std::env::var("COUNTERSIGN_MODEL_BOUNDS") {
            Ok(text) => vec![Self::read(&text)],
            Err(_) => WALKS.to_vec(),
        }
    }

    fn read(text: &str) -> Self {
        let mut bounds = WALKS[0];
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{word}: no `=`"));
            let numbers: Vec<u8> = value.split(',').map(|n| n.parse().unwrap()).collect();
            match name {
                "ticks" => bounds.ticks = numbers[0],
                "asks" => bounds.asks = numbers.try_into().unwrap(),
                "mishaps" => bounds.mishaps = numbers[0],
                _ => panic!("{name}: ticks, asks or mishaps"),
            }
        }
        bounds
    }
}
