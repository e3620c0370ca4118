//! The protocol `countersign.v1`: generated bindings and the file descriptors
//! that gRPC reflection serves. The `.proto` files beside this crate are the
//! reference; every field is documented there.

/// Messages, clients and servers of `countersign.v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("countersign.v1");
}

/// Encoded `FileDescriptorSet` of the whole protocol, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
