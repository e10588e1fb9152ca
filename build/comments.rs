//! Comments are for those who read `web/`, not for those who load it.

/// A script or a style without the lines that are nothing but comments, which are a third of what would be sent. They leave
/// empty lines, so that places in the file stay what they were. Within a template, and where that cannot be told, every
/// line is kept.
pub fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut in_comment, mut in_template) = (false, false);
    for line in text.lines() {
        let begins = line.trim_start();
        let mut code = line;
        if in_comment || (!in_template && begins.starts_with("/*")) {
            // A comment may have code behind it on its last line: a type that something is told to be.
            let rest = line.split_once("*/").map(|(_, rest)| rest);
            in_comment = rest.is_none();
            code = rest.filter(|rest| !rest.trim().is_empty()).unwrap_or_default();
        } else if !in_template && begins.starts_with("//") {
            code = "";
        }
        in_template ^= code.matches('`').count() % 2 == 1;
        kept.push_str(code);
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kept: &str) {
        assert_eq!(without_comments(text), kept, "{text}");
    }

    #[test]
    fn lines_that_are_comments_become_empty() {
        check("// a\nlet b = 1; // c\n", "\nlet b = 1; // c\n");
        check(
            "/**\n * A `thing`.\n */\nlet a;\n/* one line */\nlet b;",
            "\n\n\nlet a;\n\nlet b;\n",
        );
        check("  /* a\n     b */\n.c { d: e; }\n", "\n\n.c { d: e; }\n");
        check("const half = a\n  / b;\n", "const half = a\n  / b;\n");
    }

    #[test]
    fn code_behind_a_comment_is_kept() {
        check("/** @type {A} */ (a).b();\n", " (a).b();\n");
        check("/**\n * @type {A}\n */ (a).b();\n", "\n\n (a).b();\n");
        check("let a = /* b */ c;\n", "let a = /* b */ c;\n");
    }

    #[test]
    fn templates_are_kept_as_they_are() {
        let template = "html`\n  // a\n  /* b\n  c */\n`;\n";
        check(template, template);
        check("html`a`;\n// b\n", "html`a`;\n\n");
        check(
            "let tick = \"`\";\n// kept: who knows\n",
            "let tick = \"`\";\n// kept: who knows\n",
        );
    }
}
