//! The mutation root: one piece of work, field by field in order.

use std::cell::RefCell;
use std::sync::Arc;

use apollo_compiler::ast::Value as AstValue;
use apollo_compiler::executable::Field;
use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::serde_json_bytes::from_value;
use apollo_compiler::response::{JsonMap, JsonValue};
use serde::de::DeserializeOwned;

use super::cancel::order_cancel;
use super::keys::{Keys, Known, Scoped};
use super::object::{Resolved, Shown, maybe_object, object, text, unknown};
use super::order::order;
use super::payment::refund;
use super::query::job;
use super::refund::{RefundInput, refund_create};
use super::shop::{Shop, number};
use super::staff::{self, StaffAct};
use super::update::{OrderInput, order_update};
use super::user_error::{UserError, user_errors};
use super::work::Work;

/// What Shopify answers when a mutation that needs a key has none.
pub(super) const MISSING_KEY: &str =
    "The @idempotent directive is required for this mutation but was not provided.";
const MISMATCH: &str =
    "The same idempotency key cannot be used with different operation parameters.";
const BUSY: &str = "This request is currently in progress, please try again.";

/// The work of one request, and the keys it used.
pub(super) struct MutationRoot<'k> {
    state: RefCell<State<'k>>,
    variables: JsonMap,
}

pub(super) struct State<'k> {
    pub(super) work: Work,
    keys: &'k mut Keys,
    pub(super) used: Vec<Scoped>,
    /// For the request log: what it was refused with.
    pub(super) answered: Option<&'static str>,
}

impl<'k> MutationRoot<'k> {
    pub(super) fn new(work: Work, keys: &'k mut Keys, variables: JsonMap) -> Self {
        let state = State { work, keys, used: Vec::new(), answered: None };
        Self { state: RefCell::new(state), variables }
    }

    pub(super) fn into_state(self) -> State<'k> {
        self.state.into_inner()
    }

    /// The key of `@idempotent(key:)` on this field, written out or from a variable.
    fn key(&self, field: &Field) -> Option<String> {
        match field.directives.get("idempotent")?.specified_argument_by_name("key")?.as_ref() {
            AstValue::String(key) => Some(key.clone()),
            AstValue::Variable(name) => Some(text(&self.variables, name)?.to_owned()),
            AstValue::Null
            | AstValue::Enum(_)
            | AstValue::Float(_)
            | AstValue::Int(_)
            | AstValue::Boolean(_)
            | AstValue::List(_)
            | AstValue::Object(_) => None,
        }
    }
}

impl ObjectValue for MutationRoot<'_> {
    fn type_name(&self) -> &str {
        "Mutation"
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let mut state = self.state.borrow_mut();
        let args = info.arguments();
        state.disturb(info.field_name(), args);
        let shown = match info.field_name() {
            "orderCancel" => state.cancel(args),
            "orderUpdate" => state.update(args),
            "refundCreate" => {
                let key = info.field_selections().first().and_then(|field| self.key(field));
                state.refund(args, key)
            }
            field => unknown(field),
        };
        shown.map(Shown::give)
    }
}

impl State<'_> {
    /// When so ordered, staff acts on the same order just before the mutation does.
    fn disturb(&mut self, field: &str, args: &JsonMap) {
        let Some(what) = self.work.twist.staff.take() else {
            return;
        };
        let input = args.get("input").and_then(JsonValue::as_object).unwrap_or(args);
        let id = ["orderId", "id"].iter().find_map(|name| number(text(input, name)?, "Order"));
        if let Some(id) = id {
            let what = what.unwrap_or_else(|| StaffAct::against(field));
            // Staff finding nothing to do is no fault of the caller.
            let _impossible = staff::act(&mut self.work, id, &what);
        }
    }

    fn cancel(&mut self, args: &JsonMap) -> Resolved {
        let done = order_cancel(&mut self.work, input(args.clone())?);
        let (id, errors) = match done {
            Ok(id) => (Some(id), Vec::new()),
            Err(error) => (None, self.refused(vec![error])),
        };
        let shop = self.shop();
        Ok(object("OrderCancelPayload", move |field, _| match field {
            "job" => maybe_object(id.as_deref().and_then(|id| job(&shop, id))),
            "orderCancelUserErrors" => user_errors("OrderCancelUserError", &errors),
            "userErrors" => user_errors("UserError", &errors),
            _ => unknown(field),
        }))
    }

    fn update(&mut self, args: &JsonMap) -> Resolved {
        let asked: OrderInput = input(inner(args))?;
        let id = number(&asked.id, "Order");
        let errors = order_update(&mut self.work, asked).err().unwrap_or_default();
        let errors = self.refused(errors);
        let shop = self.shop();
        Ok(object("OrderUpdatePayload", move |field, _| match field {
            "order" => {
                maybe_object(id.and_then(|id| shop.order(id)).map(|found| order(&shop, found)))
            }
            "userErrors" => user_errors("UserError", &errors),
            _ => unknown(field),
        }))
    }

    fn refund(&mut self, args: &JsonMap, key: Option<String>) -> Resolved {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            self.answered = Some("errors");
            return super::object::fail(MISSING_KEY);
        };
        let parameters = serde_json::to_string(&inner(args)).unwrap_or_default();
        let asked: RefundInput = input(inner(args))?;
        let order_id = number(&asked.order_id, "Order");
        let scoped = (self.work.actor.by.clone(), key);
        let done = match self.keys.look(&scoped, &parameters, self.work.now) {
            Known::Fresh => self.refund_now(asked, scoped, parameters),
            Known::Replay { order, refund } => {
                self.answered = Some("replayed");
                Ok((order, refund))
            }
            Known::Mismatch => {
                Err(self.key_refused("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", MISMATCH))
            }
            Known::Busy => Err(self.key_refused("IDEMPOTENCY_CONCURRENT_REQUEST", BUSY)),
        };
        let (refund_id, errors) = match done {
            Ok((_, refund)) => (Some(refund), Vec::new()),
            Err(errors) => (None, errors),
        };
        Ok(refund_payload(self.shop(), order_id, refund_id, errors))
    }

    fn refund_now(
        &mut self,
        asked: RefundInput,
        key: Scoped,
        parameters: String,
    ) -> Result<(u64, u64), Vec<UserError>> {
        let done = refund_create(&mut self.work, asked, key.1.clone());
        let (order, refund) = done.map_err(|error| self.refused(vec![error]))?;
        if !self.work.twist.nothing {
            self.keys.keep(key.clone(), parameters, self.work.now, order, refund);
            self.used.push(key);
        }
        Ok((order, refund))
    }

    fn key_refused(&mut self, code: &'static str, message: &str) -> Vec<UserError> {
        self.answered = Some(code);
        vec![UserError::general(message)]
    }

    fn refused(&mut self, errors: Vec<UserError>) -> Vec<UserError> {
        if !errors.is_empty() {
            self.answered = Some("user_errors");
        }
        errors
    }

    /// The state as the mutation leaves it.
    fn shop(&self) -> Arc<Shop> {
        Arc::new(self.work.shop.clone())
    }
}

fn refund_payload(
    shop: Arc<Shop>,
    of: Option<u64>,
    id: Option<u64>,
    errors: Vec<UserError>,
) -> Shown {
    object("RefundCreatePayload", move |field, _| {
        let found = of.and_then(|of| shop.order(of));
        match field {
            "order" => maybe_object(found.map(|found| order(&shop, found))),
            "refund" => maybe_object(found.zip(id).map(|(found, id)| refund(&shop, found, id))),
            "userErrors" => user_errors("UserError", &errors),
            _ => unknown(field),
        }
    })
}

fn inner(args: &JsonMap) -> JsonMap {
    args.get("input").and_then(JsonValue::as_object).cloned().unwrap_or_default()
}

fn input<T: DeserializeOwned>(args: JsonMap) -> Result<T, FieldError> {
    from_value(JsonValue::Object(args)).map_err(|error| FieldError { message: error.to_string() })
}
