//! What is where, for the person at the terminal.

use super::people::Person;
use super::place::Place;

/// What is where.
pub(super) fn whereabouts(place: &Place, person: &Person) -> String {
    let state = place.state.display();
    format!(
        "\
SANDBOX: no real shop, no real money, no real customer.
  shop      {}  (open it in a browser)
  executor  {}  alone holds the shop's token; pid {}
  planner   {}  model {}; pid {}
  users     {}
  state     {state}  (logs below logs/)
  receipts  countersign receipts list --state {state}
You are {}, {}.",
        place.shop.url,
        place.executor.address,
        place.executor.pid,
        place.planner.address,
        place.model,
        place.planner.pid,
        place.users,
        person.name,
        person.email,
    )
}
