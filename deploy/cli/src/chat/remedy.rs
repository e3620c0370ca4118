//! What to look at where nobody is believed, and so nothing understood: nearly always a flag and a
//! setting that do not agree.

use countersign_shared::codes::Code;

/// As gRPC names it where nobody answers.
const UNAVAILABLE: &str = "UNAVAILABLE";

const FLAGS: &[(Code, &str)] = &[
    (
        Code::CallerNotAllowed,
        "add the identity of the certificate in --tls to `callers` in planner.yaml",
    ),
    (
        Code::SubjectUnverified,
        "compare --issuer, --audience, --issuer-kid and the public half of --issuer-key with `issuers` in executor.yaml",
    ),
    (
        Code::MessageUnattested,
        "compare --frontend, --frontend-kid and the public half of --frontend-key with `frontends` in executor.yaml; its tenant must be the issuer's",
    ),
];

/// Which flag and setting to compare where a turn or an action ended with this code.
pub(super) fn of(code: &str) -> Option<&'static str> {
    if code == UNAVAILABLE {
        return Some(
            "see that the planner runs at --planner, that its identity is --planner-id, and that its certificate and the one in --tls come from one authority",
        );
    }
    let code = Code::by_name(code)?;
    FLAGS.iter().find(|(known, _)| *known == code).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_named_where_one_may_be_wrong() {
        for (code, flag) in [
            (UNAVAILABLE, "--planner-id"),
            ("CALLER_NOT_ALLOWED", "--tls"),
            ("SUBJECT_UNVERIFIED", "--issuer-key"),
            ("MESSAGE_UNATTESTED", "--frontend-kid"),
        ] {
            assert!(of(code).is_some_and(|remedy| remedy.contains(flag)), "{code}");
        }
        assert_eq!(of("ALREADY_DONE"), None);
        assert_eq!(of("SOMETHING_OF_A_PACK"), None);
    }
}
