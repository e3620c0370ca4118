//! What stands around every page: where one can go, who one is, and what everybody has
//! to know now. What a page shows depends on the role, and so does what the server does.

use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::switch::Reach;
use tokio::time::Instant;

use super::Console;
use super::requests::notice;
use super::view::Headline;
use super::visitor::{Duty, Visitor};

/// A page that one can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// What waits for a yes or no.
    Approvals,
    /// What was left to people.
    Escalations,
    /// What was asked for and how it ended.
    Actions,
    /// Whether it is worth it.
    Analytics,
    /// What was out of the ordinary in a week.
    Review,
    /// What guards each tool.
    Coverage,
    /// How far each tool goes by itself, and what is switched off.
    Switches,
    /// What the executor runs with, and who changed it.
    Activations,
}

/// What the layout shows.
pub(super) struct Frame {
    /// Who is signed in; empty where nobody is.
    pub(super) who: String,
    /// Their tenants, and the address.
    pub(super) place: String,
    pub(super) menu: Vec<Entry>,
    pub(super) banners: Vec<Banner>,
}

/// A line of the navigation.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) here: bool,
}

/// Something that everybody has to know now.
pub(super) struct Banner {
    /// `bad` or `doubt`, as in the stylesheet.
    pub(super) tone: &'static str,
    pub(super) text: String,
}

impl Place {
    const ALL: [Self; 8] = [
        Self::Approvals,
        Self::Actions,
        Self::Escalations,
        Self::Analytics,
        Self::Review,
        Self::Switches,
        Self::Activations,
        Self::Coverage,
    ];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Approvals => "/approvals",
            Self::Escalations => "/escalations",
            Self::Actions => "/actions",
            Self::Analytics => "/analytics",
            Self::Review => "/review",
            Self::Coverage => "/coverage",
            Self::Switches => "/switches",
            Self::Activations => "/activations",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Approvals => "Approvals",
            Self::Escalations => "Escalations",
            Self::Actions => "Actions",
            Self::Analytics => "Analytics",
            Self::Review => "Review",
            Self::Coverage => "Coverage",
            Self::Switches => "Modes & switches",
            Self::Activations => "Activations",
        }
    }

    /// Whose page it is.
    pub(super) const fn open_to(self) -> &'static [Duty] {
        match self {
            Self::Approvals | Self::Escalations => &[Duty::Approver, Duty::Auditor],
            Self::Actions | Self::Analytics | Self::Review => &[Duty::Auditor],
            Self::Coverage | Self::Switches => &[Duty::Approver, Duty::Auditor, Duty::Operator],
            Self::Activations => &[Duty::Auditor, Duty::Operator],
        }
    }

    /// The first page that somebody may see.
    pub(super) fn first(visitor: &Visitor) -> Self {
        let open = |place: &Self| visitor.is(place.open_to());
        Self::ALL.into_iter().find(open).unwrap_or(Self::Approvals)
    }
}

impl Frame {
    /// Around a page for somebody who is not signed in.
    pub(super) const fn outside() -> Self {
        Self { who: String::new(), place: String::new(), menu: Vec::new(), banners: Vec::new() }
    }
}

impl Console {
    /// Lets somebody into a place, or tells them why not.
    pub(super) fn enter(&self, visitor: &Visitor, place: Place) -> Result<Frame, Response> {
        if visitor.is(place.open_to()) {
            return Ok(self.frame(visitor, Some(place)));
        }
        let mut no = notice(self.frame(visitor, None), Headline::not_yours());
        *no.status_mut() = StatusCode::FORBIDDEN;
        Err(no)
    }

    /// The layout for somebody, where they are.
    pub(super) fn frame(&self, visitor: &Visitor, here: Option<Place>) -> Frame {
        let open = Place::ALL.into_iter().filter(|place| visitor.is(place.open_to()));
        let entry = |place: Place| Entry {
            name: place.name(),
            path: place.path(),
            here: here == Some(place),
        };
        let tenants: Vec<_> = visitor.everywhere().into_iter().collect();
        let place = [tenants.join(", "), self.site.host().to_owned()];
        let place: Vec<_> = place.into_iter().filter(|part| !part.is_empty()).collect();
        Frame {
            who: visitor.person.name.clone(),
            place: place.join(" · "),
            menu: open.map(entry).collect(),
            banners: self.banners(visitor),
        }
    }

    fn banners(&self, visitor: &Visitor) -> Vec<Banner> {
        let pipeline = &self.desk.pipeline;
        let mut banners = Vec::new();
        if pipeline.vitals.quarantine().is_some() {
            let text = "Quarantine: the store went back in time. Nothing is carried out until \
                        an operator has recovered it.";
            banners.push(Banner { tone: "bad", text: text.to_owned() });
        }
        if let Some(why) = pipeline.vitals.ailment(Instant::now()) {
            let why =
                if visitor.is(&[Duty::Operator]) { why } else { "Operators know why.".to_owned() };
            banners.push(Banner { tone: "bad", text: format!("No effects begin now. {why}") });
        }
        let standing = pipeline.switches.standing();
        let off: Vec<_> = standing.iter().map(|(reach, _)| reach).collect();
        let off: Vec<_> = off.into_iter().filter(|reach| sees(visitor, reach)).collect();
        if !off.is_empty() {
            let names: Vec<_> = off.into_iter().map(ToString::to_string).collect();
            let text = format!("Switched off: {}.", names.join(", "));
            banners.push(Banner { tone: "doubt", text });
        }
        banners
    }
}

/// Whether a switch is somebody's to know: another tenant's is not.
pub(super) fn sees(visitor: &Visitor, reach: &Reach) -> bool {
    match reach {
        Reach::All | Reach::Pack(_) | Reach::Tool(_) => true,
        Reach::Tenant(name) => visitor.everywhere().contains(name),
    }
}
