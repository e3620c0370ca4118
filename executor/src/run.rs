//! Puts the executor together and serves until told to stop.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use countersign_proto::v1::{
    approvals_server::ApprovalsServer, audit_server::AuditServer,
    escalations_server::EscalationsServer, executor_server::ExecutorServer,
    operator_server::OperatorServer,
};
use countersign_shared::drain::Drain;
use countersign_shared::listen::Ports;
use countersign_shared::mtls::{
    AcceptLimits, ConnectionLimits, Material, MaterialFiles, bind, serve_until, server,
};
use countersign_shared::peer::Guard;
use countersign_shared::ready::Ready;
use countersign_shared::span;
use countersign_shared::tlog::key::Signer as _;
use countersign_shared::trace::Traced;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activation::Found;
use crate::config::Config;
use crate::confirm::Confirm;
use crate::connector::Connections;
use crate::console::{ConsoleConfig, Trusted};
use crate::desk::Desk;
use crate::driver::Driver;
use crate::flood::Flood;
use crate::load::Load;
use crate::log::{Countersigned, LogKeys};
use crate::metrics::{Counted, Metrics, Survey};
use crate::peer::Authorize;
use crate::pipeline::Pipeline;
use crate::ports::{Clock, SystemClock};
use crate::purge::{Keep, Purge};
use crate::quarantine::Witness;
use crate::room::Room;
use crate::running::Running;
use crate::service::{
    approvals::ApprovalsService, audit::AuditService, escalations::EscalationsService,
    executor::ExecutorService, operator::OperatorService,
};
use crate::subject::Subjects;
use crate::switch::Switchboard;
use crate::vault::Vault;
use crate::vitals::{Folder, Vitals, Watch};
use crate::{activation, console, log, notify, packs, policy, quarantine, siem, status, store};

/// How long calls under way may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at what waits for people.
const SWEEP: Duration = Duration::from_secs(10);
/// Between two looks for what is begun and nobody is at.
const ADOPT: Duration = Duration::from_secs(5);
/// Largest request, in bytes.
const LARGEST_REQUEST: usize = 1024 * 1024;

/// Runs the executor until `stop` resolves.
///
/// # Errors
/// Whatever keeps it from starting, with what to do about it.
pub async fn run(
    config: Config,
    ready_file: Option<&Path>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    if let Some(telemetry) = &config.telemetry {
        span::start(telemetry, "countersign-executor")?;
    }
    let material = Material::open(MaterialFiles {
        cert: config.tls.cert.clone(),
        key: config.tls.key.clone(),
        ca: config.tls.ca.clone(),
        crl: config.tls.crl.clone(),
    })?;
    let _alone = alone(&config.state)?;
    let (drain, length) = (Drain::default(), config.drain.unsigned_abs());
    let pages = status::Open::default();
    let admin =
        status::serve(address(&config.admin)?, pages.clone(), drain.clone(), Arc::clone(&material))
            .await
            .with_context(|| format!("cannot listen on {}", config.admin))?;
    let mut stop = pin!(stop);
    // On a task of its own: a file is opened without a pause in which anything else could be
    // heard here.
    let mut opening = tokio::spawn(async move { (open(&config).await, config) });
    let (opened, config) = tokio::select! {
        opened = &mut opening => opened?,
        () = &mut stop => {
            opening.abort();
            tracing::info!("executor stopped before its store was open");
            return Ok(());
        }
    };
    let Opened { desk, watch, purge, survey, witness, publisher, publishing, fenced, trusted } =
        opened?;
    let surveying = tokio::spawn(survey.run());
    let watching = tokio::spawn(watch.run());
    desk.hand_over().await;
    let carried_on = desk.recover().await?;
    if carried_on > 0 {
        tracing::info!(carried_on, "actions of an earlier process are carried on");
    }
    let (store, clock) = (&desk.pipeline.store, &desk.pipeline.clock);
    let adopting = tokio::spawn(adopt(desk.clone()));
    let following = tokio::spawn(desk.pipeline.switches.clone().follow(Arc::clone(store)));
    let sweeping = tokio::spawn(sweep(desk.clone()));
    let purging = tokio::spawn(purge.run());
    let incoming = bind(address(&config.listen)?, Arc::clone(&material), AcceptLimits::default())
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let grpc = incoming.local_addr()?;
    let metrics = &desk.pipeline.metrics;
    pages.tell(desk.pipeline.vitals.clone(), metrics.clone());
    let ports = Ports::default();
    let console = match &config.console {
        Some(page) => {
            Some(console::serve(page, &config.sign_in, trusted, desk.clone(), &ports).await?)
        }
        None => None,
    };
    if let Some((config, confirm)) = config.confirm.as_ref().zip(desk.confirm.clone()) {
        console::serve_customers(&config.page, confirm, desk.clone(), &ports).await?;
    }
    let tiles = log::serve(&config.log, config.state.join("log"), metrics.clone(), &ports).await?;
    let told = notify::start(&config.notify, desk.clone())?;
    let fed = siem::start(&config, store, clock, metrics)?;
    if let Some(file) = ready_file {
        Ready { grpc, admin, console, chat: None, log: tiles }.announce(file)?;
    }
    tracing::info!(%grpc, %admin, tools = desk.pipeline.catalog.tools.len(), "executor ready");
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ExecutorServer<ExecutorService>>().await;
    health.set_serving::<AuditServer<AuditService>>().await;
    health.set_serving::<ApprovalsServer<ApprovalsService>>().await;
    health.set_serving::<OperatorServer<OperatorService>>().await;
    health.set_serving::<EscalationsServer<EscalationsService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(countersign_proto::DESCRIPTORS)
        .build_v1()?;
    let executor = ExecutorServer::new(ExecutorService::new(desk.clone()).hearing(witness));
    let names = config.issuers.iter().map(|i| (i.tenant.clone(), i.issuer.clone()));
    let names: BTreeSet<_> = names.collect();
    let router = server(ConnectionLimits::default())
        .layer(Guard::new(Authorize::new(config.callers).telling(metrics.clone())))
        .layer(Traced)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(executor.max_decoding_message_size(LARGEST_REQUEST))
        .add_service(ApprovalsServer::new(ApprovalsService::new(desk.clone())))
        .add_service(OperatorServer::new(OperatorService::new(desk.clone(), names.clone())))
        .add_service(EscalationsServer::new(EscalationsService::new(desk.clone())))
        .add_service(AuditServer::new(AuditService::new(desk.clone(), names)));
    let over = fenced.clone();
    let stop = async {
        tokio::select! {
            () = drain.after(stop, length) => {}
            () = over.cancelled() => {}
        }
        ports.stop();
    };
    serve_until(stop, GRACE, |stop| router.serve_with_incoming_shutdown(incoming, stop)).await?;
    // A yes that is tapped there begins an action.
    ports.ended().await;
    adopting.abort();
    sweeping.abort();
    // What is sent should be heard here: whoever carries it on knows less of it.
    if !fenced.is_cancelled() && tokio::time::timeout(GRACE, desk.idle()).await.is_err() {
        tracing::info!("what is under way is carried on by the next, or by another executor");
    }
    desk.seal_counted(true).await;
    watching.abort();
    surveying.abort();
    purging.abort();
    following.abort();
    told.abort();
    fed.iter().for_each(JoinHandle::abort);
    if let Err(error) = desk.pipeline.store.leave().await {
        tracing::warn!(%error, "others take over once the lease runs out");
    }
    publishing.cancel();
    if tokio::time::timeout(GRACE, publisher).await.is_err() {
        tracing::warn!("the log folder lags behind; the next start brings it up to date");
    }
    span::flush().await;
    tracing::info!("executor stopped");
    ensure!(
        !fenced.is_cancelled(),
        "another executor took over from this one, which did not renew its lease in time: start \
         it again"
    );
    Ok(())
}

/// Takes up what is begun and nobody is at, now and again.
async fn adopt(desk: Desk) {
    loop {
        tokio::time::sleep(ADOPT).await;
        match desk.recover().await {
            Ok(0) => {}
            Ok(adopted) => tracing::warn!(adopted, "actions that nobody was at are carried on"),
            Err(error) => tracing::warn!(%error, "what others left is looked for again"),
        }
    }
}

/// Looks after what waits for people, now and again.
async fn sweep(desk: Desk) {
    loop {
        desk.seal_counted(false).await;
        if let Err(error) = desk.sweep().await {
            tracing::warn!(%error, "what waits for people is looked after later");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// One process owns a state folder: a second would not see the first one's claims.
///
/// # Errors
/// When the folder cannot be used, or somebody uses it.
pub fn alone(state: &Path) -> anyhow::Result<File> {
    private_folder(state)?;
    let path = state.join("executor.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock().map_err(|_| {
        anyhow!(
            "another executor uses {}: stop it first, or give this one a folder of its own",
            state.display()
        )
    })?;
    Ok(file)
}

/// Receipts are nobody else's to read.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// An executor that is not served yet.
pub struct Opened {
    /// Where requests arrive.
    pub desk: Desk,
    /// Looks after whether effects may begin.
    pub watch: Watch,
    /// Removes what nobody needs any more.
    pub purge: Purge,
    /// Counts what waits, for operators.
    pub survey: Survey,
    /// Compares what planners keep.
    pub witness: Witness,
    /// Brings the log folder up to date until `publishing` is cancelled.
    pub publisher: JoinHandle<()>,
    /// Ends the publisher after one last round.
    pub publishing: CancellationToken,
    /// Who decides who signs in to the console.
    pub trusted: Trusted,
    /// Cancelled once another executor took over from this one, which has to stop then.
    pub fenced: CancellationToken,
}

/// Opens everything that the configuration names, and serves nothing.
///
/// # Errors
/// Packs, credentials, connections, keys or a store that cannot be used.
pub async fn open(config: &Config) -> anyhow::Result<Opened> {
    let catalog = Arc::new(packs::load(&config.packs).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the packs do not load:\n{}", lines.join("\n"))
    })?);
    let policy = Arc::new(policy::load(&config.policy, &catalog)?);
    tracing::info!(digest = policy.digest(), "policy loaded");
    console::check(config, policy.people())?;
    let vault = Vault::open(&config.credentials)?;
    let connections =
        Connections::build(&config.connections, &catalog, &vault).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        })?;
    let keys = LogKeys::open(&config.log)?;
    private_folder(&config.state)?;
    let epoch = store::standing(config).await?.epoch;
    let (key, retired) = (Arc::new(keys.of(epoch)?), keys.verifiers(epoch)?);
    let opened = store::open(config, &catalog, &vault, Arc::clone(&key)).await?;
    let store::Opened { store, source, fenced } = opened;
    let sealed = Arc::new(Notify::new());
    let folder = config.state.join("log");
    let publishing = CancellationToken::new();
    let rung = Arc::clone(&sealed);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    quarantine::set_aside(&keys, &folder, store.standing().await?.epoch)?;
    quarantine::at_start(&*store, &keys, &folder, &*clock).await?;
    let countersigned = Countersigned::in_folder(&folder);
    let publisher = if store.standing().await?.quarantine.is_some() {
        // What is published knows more than the store.
        tokio::spawn(async {})
    } else {
        let retired = retired.into_iter().skip(1).collect();
        let keys = (key.verifier_key(), retired);
        let countersigned = countersigned.clone();
        let what = log::Publication { folder, keys, source, countersigned };
        tokio::spawn(log::publish(what, rung, publishing.clone()))
    };
    let found = Found::read(config, &catalog, &policy)?;
    let subjects = Arc::new(Subjects::load(config)?);
    let site = config.console.as_ref().map(ConsoleConfig::site).transpose()?;
    let confirm = config.confirm.as_ref().map(Confirm::open).transpose()?.map(Arc::new);
    let cosigners = keys.cosigners()?;
    notify::check(&config.notify)?;
    siem::usable(&config.siem, &vault, &*clock)?;
    if let Some(confirm) = &config.confirm {
        console::check_page(&confirm.page).context("`confirm.page`")?;
    }
    log::check(&config.log)?;
    for listen in [&config.listen, &config.admin] {
        address(listen)?;
    }
    let (proposals, plaintext) = (policy.settings().proposals_live, config.keep_personal_months);
    let keep = Keep { proposals, plaintext };
    let purge = Purge::begin(Arc::clone(&store), Arc::clone(&clock), keep).await?;
    // What is wrong with files and settings was found by now: what a start that fails had
    // activated would keep the executor from starting as it was before. A port that is taken is
    // found later, and needs nobody's signature.
    let metrics = Metrics::new(&catalog, &config.siem);
    let inactive =
        activation::settle(&*store, &found, &config.state, &metrics, clock.now()).await?;
    sealed.notify_one();
    let counted = Counted::over(connections.clone(), metrics.clone());
    let driver = Driver::new(Arc::clone(&catalog), counted, Arc::clone(&clock)).without(inactive);
    let vitals = Vitals::default();
    let watch = Watch::begin(
        vitals.clone(),
        Folder::of(config.state.clone(), config.log.clone()),
        Arc::clone(&store),
        Arc::clone(&clock),
        metrics.clone(),
    )
    .await?;
    let survey = Survey {
        log: (config.state.join("log"), countersigned.clone()),
        vitals: vitals.clone(),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        metrics: metrics.clone(),
        connections,
    };
    let witness = Witness::new(keys, Arc::clone(&store), vitals.clone(), Arc::clone(&clock))
        .keeping(cosigners, countersigned, Arc::clone(&sealed));
    let switches = Switchboard::new(store.switches().await?);
    let pipeline = Pipeline {
        catalog,
        policy,
        driver,
        store,
        switches,
        vitals,
        metrics,
        clock: Arc::clone(&clock),
        sealed,
        raised: Arc::default(),
    };
    subjects.keep_fresh(&clock);
    let desk = Desk {
        pipeline,
        subjects,
        running: Running::default(),
        counting: TaskTracker::default(),
        flood: Flood::default(),
        room: Room::default(),
        load: Load::default(),
        waiting: Arc::default(),
        origin: site.as_ref().map_or("", |site| site.origin()).into(),
        confirm,
    };
    Ok(Opened {
        desk,
        watch,
        purge,
        survey,
        witness,
        publisher,
        publishing,
        fenced,
        trusted: found.trusted,
    })
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("`{text}` is not host:port"))
}
