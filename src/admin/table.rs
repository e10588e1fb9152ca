//! Tables for people, with columns that line up in any script.

use unicode_width::UnicodeWidthStr as _;

/// Columns that a cell may take; what is longer is cut.
const CELL_COLUMNS_MAX: usize = 48;

/// A table with a heading; cells are parted by two spaces.
pub fn render(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| cut(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        let mut rendered = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            rendered.push_str(cell);
            rendered.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        text.push_str(rendered.trim_end());
        text.push('\n');
    }
    text
}

/// What people typed may hold line breaks or control characters, which must not reach a terminal.
fn cut(cell: &str) -> String {
    let clean: String = cell
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if clean.width() <= CELL_COLUMNS_MAX {
        return clean;
    }
    let mut text = String::new();
    for letter in clean.chars() {
        let mut buffer = [0; 4];
        if text.width() + letter.encode_utf8(&mut buffer).width() >= CELL_COLUMNS_MAX {
            break;
        }
        text.push(letter);
    }
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = vec![
            vec!["루미세럼".to_owned(), "DONE".to_owned()],
            vec!["Lumi".to_owned(), "FAILED".to_owned()],
        ];
        let expected = "TITLE     STATE\n루미세럼  DONE\nLumi      FAILED\n";
        assert_eq!(render(&["TITLE", "STATE"], &rows), expected);
    }

    #[test]
    fn what_is_too_long_is_cut_and_control_characters_do_not_reach_the_terminal() {
        let rendered = render(&["T"], &[vec![format!("\u{1b}[2J\n{}", "가".repeat(100))]]);
        assert!(!rendered.contains('\u{1b}'));
        assert_eq!(rendered.lines().count(), 2);
        assert!(rendered.lines().all(|line| line.width() <= CELL_COLUMNS_MAX));
    }
}
