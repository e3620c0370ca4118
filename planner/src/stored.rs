//! Messages of the protocol inside what is stored as JSON: their bytes, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::de::{Deserializer, Error};
use serde::ser::Serializer;

fn text(message: &impl Message) -> String {
    STANDARD.encode(message.encode_to_vec())
}

fn message<T: Message + Default, E: Error>(text: &str) -> Result<T, E> {
    let bytes = STANDARD.decode(text).map_err(E::custom)?;
    T::decode(bytes.as_slice()).map_err(E::custom)
}

/// One message.
pub(crate) mod one {
    use super::{Deserializer, Message, Serializer};
    use serde::Deserialize as _;

    pub(crate) fn serialize<T: Message, S: Serializer>(one: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::text(one))
    }

    pub(crate) fn deserialize<'de, T: Message + Default, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        super::message(&String::deserialize(from)?)
    }
}

/// Several messages, in their order.
pub(crate) mod many {
    use super::{Deserializer, Message, Serializer};
    use serde::Deserialize as _;

    pub(crate) fn serialize<T: Message, S: Serializer>(
        many: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(many.iter().map(super::text))
    }

    pub(crate) fn deserialize<'de, T: Message + Default, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        Vec::<String>::deserialize(from)?.iter().map(|text| super::message(text)).collect()
    }
}
