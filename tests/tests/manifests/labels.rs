//! What an object says about itself.

use crate::check::{Check, without};

const LABEL: &str = "/metadata/labels/app.kubernetes.io~1part-of";

pub const CHECKS: &[Check] = &[Check {
    says: "every object says what it is part of",
    holds: |all| {
        let silent = |object: &&serde_json::Value| {
            object["metadata"]["labels"]["app.kubernetes.io/part-of"] != "countersign"
        };
        let silent = all.objects.iter().find(silent);
        silent.map_or(Ok(()), |o| Err(format!("{} {}", o["kind"], o["metadata"]["name"])))
    },
    broken: &[
        without("PodDisruptionBudget", "planner", LABEL),
        without("ConfigMap", "public-keys", LABEL),
        without("Namespace", "countersign", LABEL),
    ],
}];
