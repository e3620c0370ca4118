//! The verifiable log: what both services and any auditor must read the same way.
//!
//! ```text
//! leaf ──merkle::leaf_hash──▶ Tree::append ──▶ nodes for the store
//!                                  │ root
//!                                  ▼
//!            Checkpoint ──sign──▶ Note ──cosign──▶ Note       countersigning, asynchronous
//!                                  │
//!    Source ──Publisher::publish──▶ folder: tiles first, checkpoint last
//!                                  │
//!                                  └──verify_folder──▶ Verified, or a Failure that names the leaf
//!    path::inclusion_path ──LogProof──▶ .tlog-proof file ──verify──▶ Checkpoint
//! ```
//!
//! Hashing is RFC 6962 with SHA-256. Notes, checkpoints, tiles, cosignatures and proof files follow
//! the C2SP documents `signed-note`, `tlog-checkpoint`, `tlog-tiles`, `tlog-cosignature` and
//! `tlog-proof`, read strictly: one text for one meaning, so that a changed byte never goes unseen.

pub mod merkle;
pub mod path;

pub mod key;
pub mod note;

pub mod checkpoint;
pub mod proof;
pub mod rotation;

mod edge;
pub mod tile;

pub mod disk;
pub mod folder;
pub mod lookup;

mod compare;
pub mod failure;

mod beside;
pub mod chain;
pub mod verify;
mod walk;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tamper;
