//! What is asked of a database without joining its executors.

use super::connect::connector;
use super::database::Database;
use super::{PostgresConfig, controls, standing as history};
use crate::ports::StoreError;
use crate::standing::Standing;
use crate::store::Activated;
use crate::vault::Vault;

/// How a database stands towards its own history, without joining its executors.
///
/// # Errors
/// When it cannot be read.
pub async fn standing(config: &PostgresConfig, vault: &Vault) -> Result<Standing, StoreError> {
    let db = Database::new(connector(config, vault, "looks")?, 1)?.client().await?;
    Ok(history::of_any(&db).await?)
}

/// What is activated in a database, without joining its executors.
///
/// # Errors
/// When it cannot be read.
pub async fn activated(config: &PostgresConfig, vault: &Vault) -> Result<Activated, StoreError> {
    let db = Database::new(connector(config, vault, "looks")?, 1)?.client().await?;
    Ok((controls::activated(&db).await?, controls::bundle(&db).await?))
}
