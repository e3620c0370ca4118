//! What a customer writes: who they are and when it was. The rest has to be found out.

use countersign_proto::v1::Card;
use jiff::Timestamp;

/// A complaint, and what its cause has to be found to be.
#[derive(Debug)]
pub struct Complaint {
    /// The customer's address.
    pub email: String,
    /// The day, in UTC.
    pub day: String,
    /// The kind of its cause.
    pub kind: &'static str,
    /// What the cause has to name.
    pub says: Vec<String>,
    /// A card that is confirmed only after the policy was changed, and whose it is.
    pub late: Option<(usize, Card)>,
}

impl Complaint {
    /// Of today.
    pub fn of(email: String, kind: &'static str, says: &[&str]) -> Self {
        let says = says.iter().map(|part| (*part).to_owned()).collect();
        Self { email, day: day(), kind, says, late: None }
    }

    /// Whether something is still to happen.
    pub fn waits(&self) -> bool {
        self.late.is_some()
    }
}

/// Today, in UTC.
pub fn day() -> String {
    Timestamp::now().strftime("%F").to_string()
}
