//! `orderUpdate`: note, tags, email, phone, address, attributes and metafields; no key, no version check.

use serde::Deserialize;
use serde_json::{Value, json};

use super::region::{country_name, provinces};
use super::shop::{Address, Metafield, Order, number};
use super::user_error::UserError;
use super::work::Work;

/// The input of the mutation. Left out and null are the same here: nothing changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderInput {
    pub(super) id: String,
    email: Option<String>,
    phone: Option<String>,
    note: Option<String>,
    po_number: Option<String>,
    tags: Option<Vec<String>>,
    shipping_address: Option<AddressInput>,
    custom_attributes: Option<Vec<AttributeInput>>,
    metafields: Option<Vec<MetafieldInput>>,
}

#[derive(Debug, Clone, Deserialize)]
struct AttributeInput {
    key: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
struct MetafieldInput {
    namespace: Option<String>,
    key: Option<String>,
    value: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AddressInput {
    address1: Option<String>,
    address2: Option<String>,
    city: Option<String>,
    company: Option<String>,
    country: Option<String>,
    country_code: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    province: Option<String>,
    province_code: Option<String>,
    zip: Option<String>,
}

/// Checks everything, then changes everything; nothing when one part is wrong.
pub(super) fn order_update(work: &mut Work, input: OrderInput) -> Result<u64, Vec<UserError>> {
    let missing = || vec![UserError::on("id", "Order does not exist")];
    let id = number(&input.id, "Order")
        .filter(|id| work.shop.order(*id).is_some())
        .ok_or_else(missing)?;
    let address = check(&input)?;
    let marker = marker(&input);
    let order = work.shop.order_mut(id).ok_or_else(missing)?;
    let mut changed = plain(order, &input, marker.clone());
    if !work.twist.half {
        if let Some(to) = address.filter(|to| order.address.as_ref() != Some(to)) {
            changed.push(("address_changed", marker, said(&to)));
            order.address = Some(to);
        }
        changed.extend(metafields(work, id, &input));
    }
    for (kind, marker, detail) in changed {
        work.effect(kind, id, marker, detail);
    }
    Ok(id)
}

type Changed = (&'static str, Option<String>, Value);

/// The text by which the caller would find its own change again.
fn marker(input: &OrderInput) -> Option<String> {
    let field = input.metafields.iter().flatten().find_map(|m| m.value.clone());
    let attribute = || input.custom_attributes.iter().flatten().map(|a| a.value.clone()).next();
    field.or_else(attribute).or_else(|| input.note.clone())
}

fn said(to: &Address) -> Value {
    json!({ "address1": to.address1, "address2": to.address2, "city": to.city, "zip": to.zip,
        "province_code": to.province_code, "country_code": to.country_code })
}

fn plain(order: &mut Order, input: &OrderInput, marker: Option<String>) -> Vec<Changed> {
    let mut changed: Vec<Changed> = Vec::new();
    let texts = [
        ("note_changed", &mut order.note, &input.note),
        ("email_changed", &mut order.email, &input.email),
        ("phone_changed", &mut order.phone, &input.phone),
        ("po_number_changed", &mut order.po_number, &input.po_number),
    ];
    for (kind, now, to) in texts {
        if to.is_some() && now != to {
            now.clone_from(to);
            changed.push((kind, marker.clone(), json!({ "to": to })));
        }
    }
    if let Some(tags) = &input.tags {
        let mut tags = tags.clone();
        tags.sort();
        tags.dedup();
        if order.tags != tags {
            changed.push(("tags_changed", marker.clone(), json!({ "to": tags })));
            order.tags = tags;
        }
    }
    if let Some(asked) = &input.custom_attributes {
        let to: Vec<_> = asked.iter().map(|a| (a.key.clone(), a.value.clone())).collect();
        if order.attributes != to {
            changed.push(("attributes_changed", marker, json!({ "to": to })));
            order.attributes = to;
        }
    }
    changed
}

fn metafields(work: &mut Work, id: u64, input: &OrderInput) -> Vec<Changed> {
    let mut changed = Vec::new();
    for asked in input.metafields.iter().flatten() {
        let (new_id, now) = (work.shop.next_id(), work.now);
        let Some(order) = work.shop.order_mut(id) else {
            continue;
        };
        let namespace = asked.namespace.clone().unwrap_or_else(|| "app".into());
        let (key, value) =
            (asked.key.clone().unwrap_or_default(), asked.value.clone().unwrap_or_default());
        let known = order.metafields.iter_mut().find(|m| m.namespace == namespace && m.key == key);
        let detail = json!({ "namespace": namespace, "key": key });
        match known {
            Some(field) if field.value == value => continue,
            Some(field) => {
                field.value.clone_from(&value);
                field.updated_at = now;
            }
            None => order.metafields.push(Metafield {
                id: new_id,
                namespace,
                key,
                kind: asked.kind.clone().unwrap_or_else(|| "single_line_text_field".into()),
                value: value.clone(),
                updated_at: now,
            }),
        }
        changed.push(("metafield_set", Some(value), detail));
    }
    changed
}

/// Everything that is wrong with the input; the address it asks for when nothing is.
fn check(input: &OrderInput) -> Result<Option<Address>, Vec<UserError>> {
    let texts = [&input.email, &input.phone, &input.note, &input.po_number];
    let lists =
        input.tags.is_some() || input.custom_attributes.is_some() || input.metafields.is_some();
    if texts.iter().all(|text| text.is_none()) && !lists && input.shipping_address.is_none() {
        return Err(vec![UserError::general("No valid update parameters have been provided")]);
    }
    let mut errors = Vec::new();
    if input.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
        errors.push(UserError::on("phone", "Phone is invalid"));
    }
    if input.email.as_deref().is_some_and(|email| !email.contains('@')) {
        errors.push(UserError::on("email", "Email is invalid"));
    }
    for (at, field) in input.metafields.iter().flatten().enumerate() {
        for (part, text) in [("key", &field.key), ("value", &field.value)] {
            if text.as_deref().unwrap_or_default().is_empty() {
                errors.push(UserError::on(&format!("metafields.{at}.{part}"), "can't be blank"));
            }
        }
    }
    let address = input.shipping_address.clone().map(|asked| checked(asked, &mut errors));
    if errors.is_empty() { Ok(address) } else { Err(errors) }
}

fn checked(asked: AddressInput, errors: &mut Vec<UserError>) -> Address {
    let code = asked.country_code.or(asked.country).unwrap_or_default();
    let mut needed = |part: &str, text: Option<String>, message: &str| {
        let text = text.unwrap_or_default();
        if text.trim().is_empty() {
            errors.push(UserError::on(&format!("shippingAddress.{part}"), message));
        }
        text
    };
    let last_name = needed("lastName", asked.last_name, "Enter a last name");
    let address1 = needed("address1", asked.address1, "Enter an address");
    let city = needed("city", asked.city, "Enter a city");
    let zip_word = if code == "US" { "Enter a ZIP code" } else { "Enter a postal code" };
    let zip = needed("zip", asked.zip, zip_word);
    let country_code = needed("country", Some(code), "Select a country");
    let province = asked.province_code.or(asked.province);
    let province_code = province_code(&country_code, province.as_deref(), errors);
    Address {
        first_name: asked.first_name.unwrap_or_default(),
        last_name,
        company: asked.company,
        address1,
        address2: asked.address2,
        city,
        province_code,
        zip,
        country_code,
        phone: asked.phone,
    }
}

/// The code of a state or province given by code or name, where the country's are known.
fn province_code(
    country: &str,
    province: Option<&str>,
    errors: &mut Vec<UserError>,
) -> Option<String> {
    let Some(known) = provinces(country) else {
        return province.map(Into::into);
    };
    let found = province.and_then(|p| known.iter().find(|(code, name)| *code == p || *name == p));
    if found.is_none() {
        let word = if country == "US" { "State" } else { "Province" };
        let message =
            format!("{word} is not a valid {} in {}", word.to_lowercase(), country_name(country));
        errors.push(UserError::on("shippingAddress.province", message));
    }
    found.map(|(code, _)| (*code).to_owned())
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let allowed = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    (6..=15).contains(&digits) && text.chars().all(allowed)
}
