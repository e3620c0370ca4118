//! The words of an expression's source.

use super::{Fault, FaultKind};

/// One word, and where it starts (characters from the start of the source).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Name(String),
    Int(u64),
    Text(String),
    Mark(&'static str),
    End,
}

/// Longest first, so that `<=` is not `<` and `=`.
const MARKS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", "{", "}", ".", ",",
];

/// All words of `source`, ended by `End`.
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, Fault> {
    let mut reader = Reader { rest: source.chars().collect(), at: 0 };
    let mut out = Vec::new();
    loop {
        reader.skip_blank();
        let at = reader.at;
        let Some(c) = reader.peek(0) else {
            out.push(Token { at, word: Word::End });
            return Ok(out);
        };
        let word = match (c, reader.peek(1)) {
            ('"' | '\'', _) => reader.text(false)?,
            ('r' | 'R', Some('"' | '\'')) => {
                reader.at += 1;
                reader.text(true)?
            }
            ('0'..='9', _) => reader.number()?,
            ('a'..='z' | 'A'..='Z' | '_', _) => reader.name(),
            _ => reader.mark(c)?,
        };
        out.push(Token { at, word });
    }
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> String {
        let taken: String = self.rest.iter().skip(self.at).take_while(|c| accept(**c)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn skip_blank(&mut self) {
        self.take(char::is_whitespace);
        if self.peek(0) == Some('/') && self.peek(1) == Some('/') {
            self.take(|c| c != '\n');
            self.skip_blank();
        }
    }

    fn name(&mut self) -> Word {
        Word::Name(self.take(|c| c.is_ascii_alphanumeric() || c == '_'))
    }

    fn number(&mut self) -> Result<Word, Fault> {
        let at = self.at;
        let digits = self.take(|c| c.is_ascii_digit());
        let next = self.peek(0);
        let fraction = next == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit());
        if fraction || matches!(next, Some('e' | 'E')) {
            let remedy = "write decimal(\"1.5\") or money(\"1.50\", \"USD\")";
            return Err(fault(at, "there are no floating-point numbers", Some(remedy)));
        }
        if next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(fault(at, "a number ends in a letter", None));
        }
        digits.parse().map(Word::Int).map_err(|_| fault(at, "the number is too large", None))
    }

    fn text(&mut self, raw: bool) -> Result<Word, Fault> {
        let start = self.at;
        let quote = self.peek(0);
        let open = || fault(start, "the string is not closed", None);
        let mut out = String::new();
        loop {
            self.at += 1;
            match self.peek(0) {
                None | Some('\n') => return Err(open()),
                found if found == quote => break,
                Some('\\') if !raw => out.push(self.escape()?),
                Some(c) => out.push(c),
            }
        }
        self.at += 1;
        Ok(Word::Text(out))
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let at = self.at;
        self.at += 1;
        match self.peek(0) {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(c @ ('\\' | '"' | '\'' | '`' | '?')) => Ok(c),
            Some('u') => {
                let hex: String = self.rest.iter().skip(self.at + 1).take(4).collect();
                self.at += 4;
                u32::from_str_radix(&hex, 16)
                    .ok()
                    .filter(|_| hex.len() == 4)
                    .and_then(char::from_u32)
                    .ok_or_else(|| fault(at, "`\\u` takes four hexadecimal digits", None))
            }
            _ => Err(fault(
                at,
                "there is no such escape",
                Some("write r\"…\" for a string without escapes"),
            )),
        }
    }

    fn mark(&mut self, c: char) -> Result<Word, Fault> {
        let two: String = self.rest.iter().skip(self.at).take(2).collect();
        let Some(mark) = MARKS.iter().find(|mark| two.starts_with(**mark)) else {
            return Err(match c {
                '=' => fault(self.at, "a single `=` compares nothing", Some("write `==`")),
                '&' | '|' => fault(self.at, "write `&&` and `||`", None),
                c => fault(self.at, &format!("`{c}` has no meaning here"), None),
            });
        };
        self.at += mark.len();
        Ok(Word::Mark(mark))
    }
}

/// A fault of syntax.
pub(super) fn fault(offset: usize, message: &str, remedy: Option<&str>) -> Fault {
    Fault {
        offset,
        kind: FaultKind::Syntax,
        message: message.to_owned(),
        remedy: remedy.map(str::to_owned),
    }
}
