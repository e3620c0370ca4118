//! Receipts over the executor's `Audit` service, with an auditor's certificate.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use countersign_executor::ports::Files;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::{
    GetBundleRequest, GetCheckpointRequest, GetInclusionProofRequest, GetReceiptRequest,
    ListBundlesRequest, ListReceiptsRequest,
};
use countersign_shared::ids::ReceiptId;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use tonic::Status;

use super::{Filter, Logged};
use crate::remote::{LARGEST, refused, timed, unreachable};
/// The service's own limit.
const PAGE: u32 = 500;

/// An executor's history.
pub(super) struct Remote {
    client: AuditClient<Channel>,
    address: String,
}

/// Nothing answers at the address.
#[derive(Debug)]
pub(super) struct Unreachable;

impl Remote {
    /// Prepares to call the executor `id` at `address` with the certificate in `tls`.
    pub(super) fn connect(address: &str, tls: &Path, id: SpiffeId) -> anyhow::Result<Self> {
        let material = Material::open(MaterialFiles::in_dir(tls))?;
        let channel = channel(address, material, id)?;
        let client = AuditClient::new(channel).max_decoding_message_size(LARGEST);
        Ok(Self { client, address: address.to_owned() })
    }

    /// Whether anything answers; any answer counts.
    pub(super) async fn reach(&self) -> Result<(), Unreachable> {
        let asked = self.client.clone().get_checkpoint(timed(GetCheckpointRequest {})).await;
        match asked {
            Err(status) if unreachable(&status) => Err(Unreachable),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn list(&self, filter: &Filter, limit: u32) -> anyhow::Result<Vec<Logged>> {
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            let request = ListReceiptsRequest {
                subject_token: String::new(),
                tenant: filter.tenant.clone().unwrap_or_default(),
                external_ref: filter.external_ref.clone().unwrap_or_default(),
                tool: filter.tool.clone().unwrap_or_default(),
                page_size: left.min(PAGE),
                page_token,
            };
            let page = self.client.clone().list_receipts(timed(request)).await;
            let page = page.map_err(|status| self.refused(&status))?.into_inner();
            for receipt in page.receipts {
                found.push(Logged::of(receipt)?);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() || found.len() >= limit as usize {
                return Ok(found);
            }
        }
    }

    pub(super) async fn get(&self, id: &ReceiptId) -> anyhow::Result<Logged> {
        let request =
            GetReceiptRequest { subject_token: String::new(), receipt_id: id.to_string() };
        let answer = self.client.clone().get_receipt(timed(request)).await;
        let answer = answer.map_err(|status| self.refused(&status))?.into_inner();
        let receipt =
            answer.receipt.ok_or_else(|| anyhow!("the executor's answer holds no receipt"))?;
        Logged::of(receipt)
    }

    /// Every policy and pack that it keeps, by digest.
    pub(super) async fn bundles(&self) -> anyhow::Result<BTreeMap<String, Files>> {
        let listed = self.client.clone().list_bundles(timed(ListBundlesRequest {})).await;
        let digests = listed.map_err(|status| self.refused(&status))?.into_inner().digests;
        let mut all = BTreeMap::new();
        for digest in digests {
            let request = GetBundleRequest { digest: digest.clone() };
            let answer = self.client.clone().get_bundle(timed(request)).await;
            let files = answer.map_err(|status| self.refused(&status))?.into_inner().files;
            all.insert(digest, files.into_iter().collect());
        }
        Ok(all)
    }

    pub(super) async fn proof(&self, id: &str) -> anyhow::Result<String> {
        let request =
            GetInclusionProofRequest { subject_token: String::new(), receipt_id: id.to_owned() };
        let answer = self.client.clone().get_inclusion_proof(timed(request)).await;
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner().tlog_proof)
    }

    fn refused(&self, status: &Status) -> anyhow::Error {
        refused(&self.address, status)
    }
}
