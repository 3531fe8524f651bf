//! Text of strangers' files, before it is shown.

/// Whether a character commands a terminal or turns the direction of writing, so that what is shown would not be what is there.
pub fn is_deceptive(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// The text with a replacement in place of every deceptive character.
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_turns_writing_or_commands_a_terminal() {
        assert_eq!(shown("a\u{202e}b\u{2066}c\u{1b}[31m\nd"), "a\u{fffd}b\u{fffd}c\u{fffd}[31m\u{fffd}d");
        assert_eq!(shown("Größe, 大小, گوشت"), "Größe, 大小, گوشت");
    }
}
