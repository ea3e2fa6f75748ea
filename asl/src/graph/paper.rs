//! SVG, written.

use std::fmt::Write as _;

/// A picture in the making.
pub(super) struct Paper {
    out: String,
}

/// How a text stands.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    pub(super) size: f64,
    pub(super) colour: &'static str,
    pub(super) bold: bool,
}

impl Paper {
    pub(super) fn new(width: f64, height: f64) -> Paper {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" "#,
                r#"font-family="Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif">"#,
                "\n",
                r##"<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">"##,
                r##"<path d="M0 1 L10 5 L0 9 z" fill="#66727f"/></marker></defs>"##,
                "\n",
                r##"<rect width="{w}" height="{h}" fill="#ffffff"/>"##,
                "\n"
            ),
            w = number(width),
            h = number(height)
        );
        Paper { out }
    }

    pub(super) fn done(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    /// Begins a group with a tooltip.
    pub(super) fn open(&mut self, class: &str, title: &str) {
        let _ = write!(
            self.out,
            r#"<g class="{class}"><title>{}</title>"#,
            escape(title)
        );
    }

    pub(super) fn close(&mut self) {
        self.out.push_str("</g>\n");
    }

    /// A box with round corners. `style` is further attributes.
    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), round: f64, style: &str) {
        let _ = write!(
            self.out,
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="{}" {style}/>"#,
            number(at.0),
            number(at.1),
            number(size.0),
            number(size.1),
            number(round)
        );
    }

    pub(super) fn path(&mut self, data: &str, style: &str) {
        let _ = write!(self.out, r#"<path d="{data}" {style}/>"#);
    }

    /// A text whose middle is at that place.
    pub(super) fn text(&mut self, at: (f64, f64), text: &str, ink: Ink) {
        let weight = if ink.bold {
            r#" font-weight="600""#
        } else {
            ""
        };
        let _ = write!(
            self.out,
            r#"<text x="{}" y="{}" font-size="{}" fill="{}" text-anchor="middle"{weight}>{}</text>"#,
            number(at.0),
            number(at.1 + ink.size * 0.35),
            number(ink.size),
            ink.colour,
            escape(text)
        );
    }

    pub(super) fn line_break(&mut self) {
        self.out.push('\n');
    }
}

/// A coordinate with one decimal.
pub(super) fn number(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 {
        format!("{rounded:.0}")
    } else {
        format!("{rounded:.1}")
    }
}

/// Text that cannot be mistaken for markup. Characters that XML does not know are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_out() {
        assert_eq!(
            escape("<a href='x'>&\u{0}"),
            "&lt;a href=&apos;x&apos;&gt;&amp; "
        );
    }
}
