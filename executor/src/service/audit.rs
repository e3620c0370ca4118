//! `countersign.v1.Audit`. An auditor reads every tenant; a planner what belongs
//! to the subject whose token it presents.

use std::collections::BTreeSet;

use countersign_core::subject::Strength;
use countersign_proto::v1::{self, audit_server::Audit};
use countersign_shared::codes::Code;
use countersign_shared::receipt::FACTS;
use countersign_shared::refusal::Refusal;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::proof::LogProof;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::chain::chain;
use super::executor::caller;
use super::find::find;
use super::{numbers, search};
use crate::desk::Desk;
use crate::peer::{Caller, Role};
use crate::ports::{ReceiptQuery, SealedReceipt, StoreError};
use crate::turned::Turned;

/// Receipts of a page where the caller names no size.
const PAGE: u32 = 50;
/// Most receipts of a page.
const LARGEST_PAGE: u32 = 500;
/// A page is no larger, so that a client with gRPC's own bound of 4 MiB takes it. Bytes.
const FULL: usize = 3 * 1024 * 1024;

/// Serves auditors, and planners for their subjects.
pub struct AuditService {
    desk: Desk,
    /// Tenants with those who vouch for their subjects.
    issuers: BTreeSet<(String, String)>,
}

impl AuditService {
    /// In front of a desk, with every tenant that there is and its issuers.
    #[must_use]
    pub fn new(desk: Desk, issuers: BTreeSet<(String, String)>) -> Self {
        Self { desk, issuers }
    }

    /// What the caller may see at all.
    async fn view(&self, caller: &Caller, token: &str) -> Result<ReceiptQuery, Status> {
        let owner = match caller.role {
            Role::Auditor => None,
            Role::Planner | Role::Approver | Role::Operator => {
                let now = self.desk.pipeline.clock.now();
                let subject = self.desk.subjects.verify(token, &caller.id, now).await;
                let subject = subject.map_err(Turned::from)?;
                // Anybody may be given that name: a guest's receipts are told in the
                // conversation that matched them.
                if subject.strength == Strength::Asserted {
                    let message = "receipts are listed for those who signed in";
                    return Err(Refusal::new(Code::StrengthRequired, message).into_status());
                }
                Some((subject.tenant, subject.issuer, subject.id))
            }
        };
        Ok(ReceiptQuery { owner, ..ReceiptQuery::default() })
    }

    async fn one(&self, view: ReceiptQuery, id: &str) -> Result<SealedReceipt, Status> {
        let missing =
            || Refusal::new(Code::NotFound, "no such receipt for this caller").into_status();
        let id = id.parse().map_err(|_| missing())?;
        let query = ReceiptQuery { id: Some(id), limit: 1, ..view };
        let found = self.desk.pipeline.store.receipts(query).await.map_err(|e| failed(&e))?;
        found.into_iter().next().ok_or_else(missing)
    }
}

/// The text of a leaf's `.tlog-proof` file.
pub(crate) async fn proof(desk: &Desk, index: u64) -> Result<String, Status> {
    let (note, checkpoint) = checkpoint(desk).await?;
    let path = desk.pipeline.store.inclusion(index, checkpoint.size()).await;
    let path = path.map_err(|e| failed(&e))?;
    Ok(LogProof { index, path, checkpoint: note, extra: None }.to_string())
}

pub(super) async fn checkpoint(desk: &Desk) -> Result<(Note, Checkpoint), Status> {
    let text = desk.pipeline.store.checkpoint().await.map_err(|e| failed(&e))?;
    if text.is_empty() {
        return Err(Refusal::new(Code::NotFound, "the log is empty").into_status());
    }
    let damaged = |e: &dyn std::fmt::Display| failed(&StoreError::Damaged(e.to_string()));
    let note = Note::parse(text.as_bytes()).map_err(|e| damaged(&e))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| damaged(&e))?;
    Ok((note, checkpoint))
}

pub(super) fn failed(error: &StoreError) -> Status {
    tracing::error!(%error, "the history cannot be read");
    match error {
        StoreError::Erased | StoreError::KeyLost => {
            Refusal::new(Code::Erased, error.to_string()).into_status()
        }
        StoreError::OutOfRange => {
            Refusal::new(Code::NotFound, "the log does not reach that far").into_status()
        }
        StoreError::Unavailable(_)
        | StoreError::Damaged(_)
        | StoreError::Conflict
        | StoreError::Quarantined => {
            Refusal::new(Code::StoreUnavailable, "the history cannot be read now").into_status()
        }
    }
}

/// A receipt as the caller may see it. What it was decided from holds more than the subject's
/// own: whole messages, and what limits had summed up of a tenant. Only auditors open it.
pub(super) fn receipt(mut sealed: SealedReceipt, whole: bool) -> v1::Receipt {
    if !whole {
        sealed.openings.0.remove(FACTS);
    }
    v1::Receipt {
        receipt_id: sealed.id.to_string(),
        leaf_index: sealed.index,
        openings: if sealed.is_erased() {
            Vec::new()
        } else {
            serde_json::to_vec(&sealed.openings).unwrap_or_default()
        },
        body: sealed.body,
    }
}

/// As many of these as one answer holds, and at least one; `more` says that there are others.
fn page(mut receipts: Vec<v1::Receipt>, more: bool) -> v1::ListReceiptsResponse {
    let mut size = 0_usize;
    let fits = receipts.iter().take_while(|receipt| {
        size = size.saturating_add(receipt.encoded_len());
        size <= FULL
    });
    let fits = fits.count().max(1);
    let more = more || fits < receipts.len();
    receipts.truncate(fits);
    let last = receipts.last().filter(|_| more).map(|receipt| receipt.leaf_index.to_string());
    v1::ListReceiptsResponse { receipts, next_page_token: last.unwrap_or_default() }
}

#[tonic::async_trait]
impl Audit for AuditService {
    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let caller = caller(&request)?;
        let wire = request.into_inner();
        let view = self.view(&caller, &wire.subject_token).await?;
        let sealed = self.one(view, &wire.receipt_id).await?;
        let whole = caller.role == Role::Auditor;
        Ok(Response::new(v1::GetReceiptResponse { receipt: Some(receipt(sealed, whole)) }))
    }

    async fn list_receipts(
        &self,
        request: Request<v1::ListReceiptsRequest>,
    ) -> Result<Response<v1::ListReceiptsResponse>, Status> {
        let caller = caller(&request)?;
        let wire = request.into_inner();
        let given = |text: String| Some(text).filter(|t| !t.is_empty());
        let before = match given(wire.page_token) {
            None => None,
            Some(token) => Some(token.parse().map_err(|_| {
                Refusal::new(Code::ArgumentInvalid, "page_token is not one of ours").into_status()
            })?),
        };
        let limit = if wire.page_size == 0 { PAGE } else { wire.page_size.min(LARGEST_PAGE) };
        let view = self.view(&caller, &wire.subject_token).await?;
        let whole = caller.role == Role::Auditor;
        let tenant = given(wire.tenant).filter(|_| whole);
        let query = ReceiptQuery {
            tenant,
            external_ref: given(wire.external_ref),
            tool: given(wire.tool),
            before,
            limit,
            ..view
        };
        let found = self.desk.pipeline.store.receipts(query).await.map_err(|e| failed(&e))?;
        let full = u32::try_from(found.len()).is_ok_and(|n| n == limit);
        let found: Vec<_> = found.into_iter().map(|sealed| receipt(sealed, whole)).collect();
        Ok(Response::new(page(found, full)))
    }

    async fn get_chain(
        &self,
        request: Request<v1::GetChainRequest>,
    ) -> Result<Response<v1::GetChainResponse>, Status> {
        let sealed = self.one(ReceiptQuery::default(), &request.into_inner().receipt_id).await?;
        Ok(Response::new(chain(&self.desk, sealed).await?))
    }

    async fn find(
        &self,
        request: Request<v1::FindRequest>,
    ) -> Result<Response<v1::FindResponse>, Status> {
        Ok(Response::new(find(&self.desk, &self.issuers, request.into_inner()).await?))
    }

    async fn get_checkpoint(
        &self,
        _request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let (note, _) = checkpoint(&self.desk).await?;
        Ok(Response::new(v1::GetCheckpointResponse { checkpoint: note.to_string() }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let caller = caller(&request)?;
        let wire = request.into_inner();
        let view = self.view(&caller, &wire.subject_token).await?;
        let sealed = self.one(view, &wire.receipt_id).await?;
        let tlog_proof = proof(&self.desk, sealed.index).await?;
        Ok(Response::new(v1::GetInclusionProofResponse { tlog_proof }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let wire = request.into_inner();
        let (_, checkpoint) = checkpoint(&self.desk).await?;
        let to_size = if wire.to_size == 0 { checkpoint.size() } else { wire.to_size };
        // A size that no checkpoint names is nothing to prove anything about.
        if wire.from_size == 0 || wire.from_size > to_size || to_size > checkpoint.size() {
            let message = format!("sizes run from 1 to {}", checkpoint.size());
            return Err(Refusal::new(Code::ArgumentInvalid, message).into_status());
        }
        let store = &self.desk.pipeline.store;
        let hashes = store.consistency(wire.from_size, to_size).await.map_err(|e| failed(&e))?;
        let hashes = hashes.into_iter().map(Vec::from).collect();
        Ok(Response::new(v1::GetConsistencyProofResponse { to_size, hashes }))
    }

    async fn search_actions(
        &self,
        request: Request<v1::SearchActionsRequest>,
    ) -> Result<Response<v1::SearchActionsResponse>, Status> {
        Ok(Response::new(search::search(&self.desk, request.into_inner()).await?))
    }

    async fn get_timeline(
        &self,
        request: Request<v1::GetTimelineRequest>,
    ) -> Result<Response<v1::GetTimelineResponse>, Status> {
        let sealed = self.one(ReceiptQuery::default(), &request.into_inner().receipt_id).await?;
        Ok(Response::new(numbers::timeline(&self.desk, sealed).await?))
    }

    async fn analytics(
        &self,
        request: Request<v1::AnalyticsRequest>,
    ) -> Result<Response<v1::AnalyticsResponse>, Status> {
        Ok(Response::new(numbers::analytics(&self.desk, request.into_inner()).await?))
    }

    async fn review(
        &self,
        request: Request<v1::ReviewRequest>,
    ) -> Result<Response<v1::ReviewResponse>, Status> {
        Ok(Response::new(numbers::review(&self.desk, request.into_inner()).await?))
    }

    async fn list_bundles(
        &self,
        _request: Request<v1::ListBundlesRequest>,
    ) -> Result<Response<v1::ListBundlesResponse>, Status> {
        let digests = self.desk.pipeline.store.kept_bundles().await.map_err(|e| failed(&e))?;
        Ok(Response::new(v1::ListBundlesResponse { digests }))
    }

    async fn get_bundle(
        &self,
        request: Request<v1::GetBundleRequest>,
    ) -> Result<Response<v1::GetBundleResponse>, Status> {
        let digest = request.into_inner().digest;
        let found = self.desk.pipeline.store.kept_bundle(&digest).await.map_err(|e| failed(&e))?;
        let missing = || {
            let message = "no policy and no pack with this digest was ever active";
            Refusal::new(Code::NotFound, message).into_status()
        };
        let files = found.ok_or_else(missing)?.into_iter().collect();
        Ok(Response::new(v1::GetBundleResponse { files }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_it_is_too_large_to_be_taken() {
        let of = |leaf_index, size| v1::Receipt {
            leaf_index,
            body: vec![0; size],
            ..v1::Receipt::default()
        };
        let pages = |sizes: &[usize], more| {
            let all = (0..).zip(sizes).map(|(at, size)| of(100 - at, *size)).collect();
            let page = page(all, more);
            (page.receipts.len(), page.next_page_token)
        };
        assert_eq!(pages(&[10, 10], false), (2, String::new()));
        assert_eq!(pages(&[10, 10], true), (2, "99".to_owned()));
        assert_eq!(pages(&[FULL / 2, FULL / 3, FULL / 3, 1], false), (2, "99".to_owned()));
        assert_eq!(pages(&[FULL + 1, 1], false), (1, "100".to_owned()));
        assert_eq!(pages(&[], false), (0, String::new()));
    }
}
