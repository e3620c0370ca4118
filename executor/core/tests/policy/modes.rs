use countersign_core::policy::{Mode, Share};

use crate::bundle::{READ, REFUND, catalog, customer, policy, shipped, with};

fn settings(modes: &str) -> crate::packs::Files {
    let text = shipped()["settings.yaml"].clone();
    let line = "  - { tools: [\"shopify.*\"], mode: auto }\n";
    assert!(text.contains(line));
    with("settings.yaml", &text.replace(line, modes))
}

#[test]
fn the_first_line_that_matches_counts_and_none_is_shadow() {
    let policy = policy(&settings(
        "  - { tools: [\"shopify.refund_lines\"], segment: vip, channel: chat, mode: auto }
  - { tools: [\"shopify.refund_lines\"], mode: approve, by: [lead, finance] }
",
    ));
    let catalog = catalog();
    let mut subject = customer();
    let refund = &catalog.tools[REFUND];
    let approve = Mode::Approve { by: vec!["lead".into(), "finance".into()] };
    assert_eq!(policy.mode(refund, &subject, "chat"), &approve);
    subject.segment = "vip".into();
    assert_eq!(policy.mode(refund, &subject, "chat"), &Mode::Auto);
    assert_eq!(policy.mode(refund, &subject, "mail"), &approve);
    let cancel = &catalog.tools["shopify.cancel_order"];
    assert_eq!(policy.mode(cancel, &subject, "chat"), &Mode::Shadow);
    // A read has no effect to hold back.
    assert_eq!(policy.mode(&catalog.tools[READ], &subject, "chat"), &Mode::Auto);
}

#[test]
fn a_share_is_stable_about_right_and_grows_without_throwing_anybody_out() {
    let shares = [0.1, 0.2, 1.0].map(|share| Share::new(share).unwrap());
    let mut held = [0; 3];
    for number in 0..10_000 {
        let mut subject = customer();
        subject.id = format!("customer{number}");
        let inside = shares.map(|share| share.holds(&subject, REFUND));
        assert_eq!(inside, shares.map(|share| share.holds(&subject, REFUND)));
        assert!(inside.is_sorted(), "{inside:?}");
        held.iter_mut().zip(inside).for_each(|(count, inside)| *count += u32::from(inside));
    }
    assert!((900..1100).contains(&held[0]) && (1850..2150).contains(&held[1]), "{held:?}");
    assert_eq!(held[2], 10_000);
    assert_eq!([0.0, -0.1, 1.1, f64::NAN, 1e-9].map(Share::new), [None; 5]);
}

#[test]
fn outside_the_share_the_next_line_is_asked() {
    let policy = policy(&settings(
        "  - { tools: [\"*\"], share: 0.5, mode: auto }
  - { tools: [\"*\"], mode: approve, by: [lead] }
",
    ));
    let catalog = catalog();
    let modes: std::collections::BTreeSet<_> = (0..50)
        .map(|number| {
            let mut subject = customer();
            subject.id = format!("customer{number}");
            policy.mode(&catalog.tools[REFUND], &subject, "chat").name()
        })
        .collect();
    assert_eq!(modes, ["approve", "auto"].into());
}

/// A planner chooses which words it shows: without a channel the strictest line counts.
#[test]
fn nobody_gets_round_a_strict_line_by_hiding_the_channel() {
    let policy = policy(&settings(
        "  - { tools: [\"*\"], channel: mail, mode: approve, by: [lead] }
  - { tools: [\"*\"], mode: auto }
",
    ));
    let (catalog, subject) = (catalog(), customer());
    let approve = Mode::Approve { by: vec!["lead".into()] };
    assert_eq!(policy.mode(&catalog.tools[REFUND], &subject, "chat"), &Mode::Auto);
    assert_eq!(policy.mode(&catalog.tools[REFUND], &subject, "mail"), &approve);
    assert_eq!(policy.mode(&catalog.tools[REFUND], &subject, ""), &approve);
}
