//! Every play of every scenario: which house, which tenant, which lane.

use std::collections::BTreeMap;

use anyhow::Context;
use futures_util::future::join_all;

use super::face::Door;
use super::house::House;
use super::judge::judge;
use super::play::{Model, Played, Stage};
use super::scenario::Scenario;
use super::shop::Shop;

/// Houses and lanes, ready to play.
pub struct Theatre {
    scenarios: Vec<Scenario>,
    lanes: Vec<Shop>,
    houses: Vec<House>,
    door: Door,
    seats: Vec<Seat>,
}

/// One play of one scenario.
struct Seat {
    scenario: usize,
    house: usize,
    /// Its number in its house.
    play: usize,
}

/// A play and what is wrong with it.
#[derive(Debug)]
pub struct Ran {
    /// Which of the scenarios.
    pub scenario: usize,
    /// What came of it.
    pub played: Played,
    /// How that is not what was expected.
    pub wrong: Vec<String>,
}

impl Theatre {
    /// Starts an executor for each policy that occurs, over these sandbox shops.
    ///
    /// # Errors
    /// What does not start.
    pub async fn open(
        scenarios: Vec<Scenario>,
        shops: &[String],
        repeat: usize,
        door: Door,
    ) -> anyhow::Result<Self> {
        // Both services speak TLS; a second installation is refused, and then one is there.
        let _one_is_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut kinds: BTreeMap<&BTreeMap<String, String>, Vec<usize>> = BTreeMap::new();
        for (at, scenario) in scenarios.iter().enumerate() {
            kinds.entry(&scenario.policy).or_default().extend(vec![at; repeat]);
        }
        let (mut houses, mut seats) = (Vec::new(), Vec::<Seat>::new());
        for (policy, of) in kinds {
            let lane = |play: usize| shops.get((seats.len() + play) % shops.len().max(1));
            let of_each: Option<Vec<String>> =
                (0..of.len()).map(|play| lane(play).cloned()).collect();
            let opened = House::open(policy, &of_each.context("there is no sandbox shop")?).await;
            houses.push(opened.context("cannot open a house for the scenarios")?);
            let house = houses.len() - 1;
            seats.extend(of.into_iter().enumerate().map(|(play, scenario)| Seat {
                scenario,
                house,
                play,
            }));
        }
        let lanes = shops.iter().map(|url| Shop::at(url)).collect::<anyhow::Result<_>>()?;
        Ok(Self { scenarios, lanes, houses, door, seats })
    }

    /// The scenarios, in order.
    #[must_use]
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// How many plays there are.
    #[must_use]
    pub fn plays(&self) -> usize {
        self.seats.len()
    }

    /// The scenario of a play.
    #[must_use]
    pub fn scenario_of(&self, play: usize) -> Option<&Scenario> {
        self.scenarios.get(self.seats.get(play)?.scenario)
    }

    /// Plays everything, a lane at a time beside the others; `ended` hears of each.
    ///
    /// # Errors
    /// When something could not be played at all.
    pub async fn play_all(
        &self,
        model: &Model,
        ended: impl Fn(&Scenario, &Ran),
    ) -> anyhow::Result<Vec<Ran>> {
        let ended = &ended;
        let lanes = (0..self.lanes.len()).map(|lane| async move {
            let mut all = Vec::new();
            for at in (lane..self.seats.len()).step_by(self.lanes.len()) {
                let ran = self.play(at, model).await?;
                if let Some(scenario) = self.scenarios.get(ran.scenario) {
                    ended(scenario, &ran);
                }
                all.push(ran);
            }
            anyhow::Ok(all)
        });
        let mut all = Vec::new();
        for lane in join_all(lanes).await {
            all.extend(lane?);
        }
        all.sort_by_key(|ran| ran.scenario);
        Ok(all)
    }

    /// Plays one.
    ///
    /// # Errors
    /// When it could not be played at all.
    pub async fn play(&self, at: usize, model: &Model) -> anyhow::Result<Ran> {
        let seat = self.seats.get(at).context("there is no such play")?;
        let scenario = self.scenarios.get(seat.scenario).context("there is no such scenario")?;
        let house = self.houses.get(seat.house).context("there is no such house")?;
        let shop = self.lanes.get(at % self.lanes.len().max(1)).context("there is no lane")?;
        let stage = Stage { house, shop, play: seat.play, door: self.door };
        let played = stage.play(scenario, model).await;
        let played = played.with_context(|| format!("{} could not be played", scenario.name))?;
        let wrong = judge(scenario, &played);
        Ok(Ran { scenario: seat.scenario, played, wrong })
    }
}
