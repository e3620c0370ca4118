//! Text from anywhere, made fit for a terminal.

/// Without control characters (line breaks stay), characters of no width and those that turn the
/// direction of writing: what is shown is what is there, and no escape sequence reaches a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| is_shown(*c)).collect()
}

/// [`printable`] on one line.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(printable).collect();
    words.join(" ")
}

/// Lines of at most `width` characters, broken between words where there is a place to.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(line, width)).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ').flat_map(|word| pieces(word, width)) {
        let fits = lines.last().is_some_and(|last| {
            last.is_empty() || last.chars().count() + 1 + word.chars().count() <= width
        });
        if !fits {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&word);
        }
    }
    lines
}

/// A word that is longer than a line, cut.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    let cut = letters.chunks(width.max(1));
    cut.map(|piece| piece.iter().collect()).collect()
}

/// A word as a shell takes it, whatever is in it.
pub(crate) fn shell(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

fn is_shown(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    c == '\n' || !(c.is_control() || hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_letters() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd\r"), "a[2Jbc\nd");
        assert_eq!(one_line("  a\n\tb\u{200b} "), "a b");
        assert_eq!(printable("Größe 数 é"), "Größe 数 é");
    }

    #[test]
    fn a_shell_reads_a_word_as_it_is() {
        assert_eq!(shell("spiffe://shop.example/ns/x"), "spiffe://shop.example/ns/x");
        assert_eq!(shell("my folder"), "'my folder'");
        assert_eq!(shell("it's"), r"'it'\''s'");
    }

    #[test]
    fn lines_are_broken_between_words_and_lose_nothing() {
        let text = "Cancel order #1001 and refund USD 123.50?";
        let lines = wrap(text, 16);
        assert!(lines.iter().all(|l| l.chars().count() <= 16), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
    }
}
