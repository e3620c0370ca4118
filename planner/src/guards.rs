//! Checks of the planner that scenarios hang on, by name. All of them are always made. With
//! the feature `gates-off`, which no shipped binary enables, a test leaves some out and shows
//! what a bad model does without them.

/// A check of the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// A model is called once: what failed is not asked again.
    OneCall,
    /// An answer is waited for so long.
    AnswerTimeout,
    /// An answer is read up to so many bytes.
    AnswerBound,
    /// Prose is no decision.
    Prose,
    /// An answer has the shape that was asked for.
    AnswerShape,
    /// An answer is mended once.
    OneRepair,
    /// A plan holds one write.
    OneWrite,
    /// A question is answered by reads.
    QuestionsRead,
    /// A model gets so many rounds of reads.
    ReadRounds,
    /// A page of the house is quoted and decides nothing.
    PagesDecideNothing,
    /// A tool has the arguments of its contract and no other.
    KnownArguments,
    /// A quote stands in the customer's own words.
    Quotes,
    /// A value comes from where its contract takes it.
    SourceKind,
    /// A reference points into a read of this conversation.
    KnownReads,
    /// A typed value fits its schema.
    Fits,
    /// Of several, none is guessed.
    AsksWhich,
    /// A plan is as sure as its contract wants.
    Floor,
    /// What needs a yes is shown before it is carried out.
    CardFirst,
    /// A yes in words carries nothing out.
    SignedYes,
    /// After a no, nothing waits.
    DropsOnNo,
    /// A read is told in the words of its contract.
    ReadWords,
    /// No word of a model is told (NO CLAIM WITHOUT A RECEIPT).
    OurWords,
}

impl Guard {
    /// Every one, in the order in which a message meets them.
    pub const ALL: [Self; 22] = [
        Self::OneCall,
        Self::AnswerTimeout,
        Self::AnswerBound,
        Self::Prose,
        Self::AnswerShape,
        Self::OneRepair,
        Self::OneWrite,
        Self::QuestionsRead,
        Self::ReadRounds,
        Self::PagesDecideNothing,
        Self::KnownArguments,
        Self::Quotes,
        Self::SourceKind,
        Self::KnownReads,
        Self::Fits,
        Self::AsksWhich,
        Self::Floor,
        Self::CardFirst,
        Self::SignedYes,
        Self::DropsOnNo,
        Self::ReadWords,
        Self::OurWords,
    ];

    /// Whether it is made: always.
    #[cfg(not(feature = "gates-off"))]
    #[must_use]
    pub const fn is_on(self) -> bool {
        true
    }

    /// Whether it is made: unless a test left it out.
    #[cfg(feature = "gates-off")]
    #[must_use]
    pub fn is_on(self) -> bool {
        off::OFF.load(std::sync::atomic::Ordering::SeqCst) & self.bit() == 0
    }

    /// Leaves these out from here on, and no other.
    #[cfg(feature = "gates-off")]
    pub fn leave_out(guards: &[Self]) {
        let all = guards.iter().fold(0, |all, guard| all | guard.bit());
        off::OFF.store(all, std::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "gates-off")]
    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// What is done where the shape of the code is the guard, and a test left it out.
#[cfg(feature = "gates-off")]
pub(crate) mod off {
    use std::sync::atomic::AtomicU32;

    use parking_lot::Mutex;

    use super::Guard;
    use crate::model::{Call, Decision, Want};
    use crate::tools::Toolbox;

    /// The guards that are left out, a bit each.
    pub(super) static OFF: AtomicU32 = AtomicU32::new(0);
    /// What a model wrote last.
    static WRITTEN: Mutex<String> = Mutex::new(String::new());

    /// Keeps what a model wrote, for [`instead_of`].
    pub(crate) fn overhear(text: &str) {
        WRITTEN.lock().replace_range(.., text);
    }

    /// The model's own words in the place of ours.
    pub(crate) fn instead_of(reply: String) -> String {
        if Guard::OurWords.is_on() { reply } else { WRITTEN.lock().clone() }
    }

    /// The first tool that prose names, called.
    pub(crate) fn obeyed(prose: &str, toolbox: &Toolbox) -> Option<Decision> {
        let named = |name: &&str| !Guard::Prose.is_on() && prose.contains(name);
        let tool = toolbox.iter().map(|tool| tool.name.as_str()).find(named)?;
        let want = Want::Tool(Call { tool: tool.to_owned(), ..Call::default() });
        Some(Decision { want, score: 1.0, doubt: String::new(), tokens: None })
    }
}
