//! How figures come about, as the page tells it: the text of `harness/README.md`.

use minijinja::Value;
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd, html};

const TEXT: &str = include_str!("../../../harness/README.md");

/// The text as HTML, its headings one level below the page's own.
pub(super) fn method() -> Value {
    let events = Parser::new(TEXT).map(|event| match event {
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: below(level), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(below(level))),
        other => other,
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    Value::from_safe_string(text)
}

fn below(level: HeadingLevel) -> HeadingLevel {
    HeadingLevel::try_from(level as usize + 1).unwrap_or(HeadingLevel::H6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_html_below_the_pages_heading() {
        let text = method().to_string();
        assert!(text.contains("<h2>How these numbers came about") && text.contains("<h3>What is timed</h3>"));
        assert!(
            !text.contains("<h1>")
                && !text.contains("**")
                && text.contains("<strong>We wrote the backends.</strong>")
        );
    }
}
