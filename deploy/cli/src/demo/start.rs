//! Starts the three processes, each once the one before it is healthy, and stops them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use countersign_shared::ready::Ready;

use super::Args;
use super::child::{Child, Start};
use super::configs::{self, Model};
use super::console;
use super::folder::{Folder, write_private};
use super::keys::{self, Identities, TOKEN};
use super::place::{Place, Service, ShopPlace};
use super::shop;
use super::users::{Users, Who};
use crate::binaries::Binaries;
use crate::guard::Guard;

/// What runs, and the folder that it runs in.
#[derive(Debug, Default)]
pub(super) struct Running {
    guard: Option<Guard>,
    children: Vec<Child>,
    pub(super) folder: Option<Folder>,
}

impl Running {
    /// Stops every process, the last one started first.
    pub(super) async fn stop(&mut self) {
        while let Some(child) = self.children.pop() {
            child.stop().await;
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
    }

    fn pid(&self, who: Who) -> u32 {
        self.children.iter().find(|child| child.who() == who).map_or(0, Child::pid)
    }
}

/// Prepares the folder and starts everything in it.
pub(super) async fn all(
    state: &Path,
    binaries: &Binaries,
    args: &Args,
    running: &mut Running,
) -> anyhow::Result<Place> {
    let identities = keys::prepare(state)?;
    packs(state)?;
    policy(state)?;
    if args.console {
        console::people(state)?;
    }
    let model = model(state, args)?;
    let users = Users::separate(state)?;
    let mut starter = Starter { state, own: &binaries.own, users, running };
    let url = starter.sandbox(&binaries.path("sandbox")).await?;
    let packs = PACKS.map(str::to_owned);
    let mut text = configs::executor(state, &identities, &packs, &url);
    if args.console {
        text.push_str(&configs::console());
    }
    let executor = starter.service(Who::Executor, &binaries.path("executor"), &text).await?;
    let text = configs::planner(&identities, &executor.grpc.to_string(), &model);
    let planner = starter.service(Who::Planner, &binaries.path("planner"), &text).await?;
    let place = starter.place(&identities, &model, url, executor, planner);
    place.write()?;
    Ok(place)
}

/// The packs that the demo connects; the others that ship lie beside them.
const PACKS: [&str; 1] = ["shopify"];

/// Writes the packs that come with the program.
fn packs(state: &Path) -> anyhow::Result<()> {
    let folder = emptied(state, "packs")?;
    countersign_executor::packs::write_shipped(&folder)
        .with_context(|| format!("cannot write the packs to {}", folder.display()))
}

/// Writes the policy that comes with the program.
fn policy(state: &Path) -> anyhow::Result<()> {
    let folder = emptied(state, "policy")?;
    countersign_executor::policy::write_shipped(&folder)
        .with_context(|| format!("cannot write the policy to {}", folder.display()))
}

/// A folder without what an earlier program left there.
fn emptied(state: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = state.join(name);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    Ok(folder)
}

fn model(state: &Path, args: &Args) -> anyhow::Result<Model> {
    let (Some(url), Some(name)) = (&args.model_url, &args.model) else {
        return Ok(Model::Offline);
    };
    if let Some(file) = &args.model_key_file {
        let key =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        write_private(&state.join("planner/model.key"), &key)?;
    }
    let has_key = args.model_key_file.is_some();
    Ok(Model::Server { url: url.clone(), name: name.clone(), has_key })
}

struct Starter<'a> {
    state: &'a Path,
    own: &'a Path,
    users: Users,
    running: &'a mut Running,
}

impl Starter<'_> {
    /// Starts the sandbox shop; answers with its address.
    async fn sandbox(&mut self, program: &Path) -> anyhow::Result<String> {
        let home = self.state.join("sandbox");
        let ready = home.join("port");
        let token = home.join(TOKEN);
        let mut credential = OsString::from(format!("{TOKEN}="));
        credential.push(token);
        let arguments =
            vec!["--port-file".into(), ready.clone().into(), "--credential".into(), credential];
        let child = self.start(Who::Sandbox, program, arguments, &ready)?;
        let port = child.ready(&ready).await?;
        Ok(format!("http://127.0.0.1:{}", port.trim()))
    }

    /// Writes a service's configuration, starts it and waits until it is healthy.
    async fn service(&mut self, who: Who, program: &Path, config: &str) -> anyhow::Result<Ready> {
        let home = self.state.join(who.name());
        let (file, ready) = (home.join(format!("{}.yaml", who.name())), home.join("ready.json"));
        write_private(&file, config)?;
        if let Some(id) = self.users.id(who) {
            std::os::unix::fs::chown(&file, Some(id), Some(id))?;
        }
        let arguments =
            vec!["--config".into(), file.into(), "--ready-file".into(), ready.clone().into()];
        let child = self.start(who, program, arguments, &ready)?;
        let text = child.ready(&ready).await?;
        let listening: Ready = serde_json::from_str(&text)
            .with_context(|| format!("the {}'s ready file says {text:?}", who.name()))?;
        let page = format!("http://{}/readyz", listening.admin);
        child.healthy(&shop::client()?, &page).await?;
        Ok(listening)
    }

    fn start(
        &mut self,
        who: Who,
        program: &Path,
        arguments: Vec<OsString>,
        ready: &Path,
    ) -> anyhow::Result<&mut Child> {
        let child = Child::start(&Start {
            who,
            program: self.users.program(self.state, program)?,
            arguments,
            state: self.state,
            ready: PathBuf::from(ready),
            user: self.users.id(who),
            group: self.running.children.first().map(Child::pid),
        })?;
        if self.running.guard.is_none() {
            // The first process leads the group that the others join.
            self.running.guard = Some(Guard::over(child.pid(), self.own)?);
        }
        self.running.children.push(child);
        self.running.children.last_mut().context("nothing was started")
    }

    fn place(
        &self,
        identities: &Identities,
        model: &Model,
        url: String,
        executor: Ready,
        planner: Ready,
    ) -> Place {
        let service = |who, ready: Ready, id: &str| Service {
            address: ready.grpc.to_string(),
            admin: ready.admin.to_string(),
            id: id.to_owned(),
            pid: self.running.pid(who),
        };
        Place {
            sandbox: true,
            state: self.state.to_owned(),
            log: self.state.join("executor/log"),
            log_key: identities.log_key.clone(),
            auditor: self.state.join("auditor/tls"),
            frontend: self.state.join("frontend"),
            users: self.users.told(),
            model: model.told(),
            shop: ShopPlace { url, pid: self.running.pid(Who::Sandbox) },
            executor: service(Who::Executor, executor, identities.executor.as_str()),
            planner: service(Who::Planner, planner, identities.planner.as_str()),
        }
    }
}
