//! How replies are cut for a voice: by tables, by a hundred replies as an assistant gives them, and by what holds for any
//! text in any pieces.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its own data has failed"
)]

use std::fmt::Write as _;

use greenroom_session::speaking::{SENTENCE_CHARS_MAX, Sentence, SentenceCutter};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Replies with `¦` where they are cut, each followed by what is said of those pieces that hold more than that.
const REPLIES: &str = include_str!("data/replies.txt");

/// Sentences with `¦` where they are cut.
const CUTS: &[&str] = &[
    // Numbers, prices, times, dates, versions.
    "It is 3.5 percent of all. ¦That is a lot.",
    "It makes 1,200.50 dollars a day. ¦That is a lot.",
    "정가는 39,000원이에요. ¦할인은 없나요?",
    "It costs $25.00. ¦Is that right?",
    "It costs 25. ¦Is that right?",
    "We open at 10:30. ¦Will you come?",
    "출시일은 2026.11.20이에요. ¦금요일이네요.",
    "출시일은 2026. 11. 20. 금요일이에요. ¦괜찮으세요?",
    "It runs on v1.2 of the app. ¦Nothing else does.",
    "It runs on v1.2. ¦Nothing else does.",
    "Only 50% remain. ¦Order soon, please.",
    "It weighs .5 pounds. ¦That is light.",
    // Abbreviations and initials.
    "Try a cream, e.g. Lumi Serum. ¦It is gentle.",
    "It is new, i.e. nobody knows it. ¦We change that.",
    "Dr. Kim made it. ¦Mr. Lee sells it to Mrs. Park.",
    "It is Lumi vs. Glow. ¦Who wins the day?",
    "We sell cream, serum, etc. ¦What else is there?",
    "We sell cream, serum, etc. in one box. ¦Nice to have.",
    "You are No. 5 in the list. ¦That is high.",
    "I said no. ¦You said yes to it.",
    "It sells in the U.S. market. ¦And at home.",
    "We meet at 9 a.m. on Monday. ¦Is that fine?",
    "We all meet at 9 a.m. ¦Is that fine?",
    "Lumi Inc. makes it. ¦Who sells it today?",
    "It is made in St. Ives. ¦By the sea, that is.",
    "J. K. Rowling wrote it. ¦Michael J. Fox read it.",
    "Let us take plan B. ¦It is the better one.",
    "You like it and so do I. ¦We agree on it.",
    "It has approx. five parts. ¦Which ones matter?",
    "It launches on Nov. 20 in Seoul. ¦Who comes there?",
    // Ellipses and several marks.
    "Well... maybe it is so. ¦Let us see then.",
    "음... 그건 어려워요. ¦다른 걸로 할까요?",
    "그렇군요... ¦그럼 이름을 바꿀까요?",
    "It could be… who knows it. ¦Let us see then.",
    "Is that really so?! ¦That is wonderful!!! ¦Let us go on.",
    "정말 그렇게 하셨어요?! ¦대단하시네요!",
    // Addresses and file names.
    "See https://lumi.kr/a.b?c=1.2 for it. ¦It is all there.",
    "루미 사이트는 www.lumi.kr이에요. ¦들어가 보세요.",
    "Write to hello@lumi.co.kr please. ¦We read it all.",
    "Open brief.final.toml with care. ¦It is long.",
    "It is all on lumi.kr. ¦Have a look there.",
    // Quotations, brackets, emphasis.
    "She said \"Skin, resting.\" ¦That is a headline.",
    "She asked \"Is it gentle?\" and smiled. ¦It is gentle.",
    "제목은 \"왜 지금일까?\" 어떠세요? ¦좋은 것 같아요.",
    "고객이 ‘순해요!’라고 했어요. ¦좋은 말이네요.",
    "It is gentle (really!). ¦People say so.",
    "It is gentle. ¦(People say so.) ¦Let us go on.",
    "**It is gentle.** ¦People say so.",
    // Korean endings, with and without a mark, a blank, a line.
    "이름은 루미세럼입니다. ¦가격은 얼마인가요?",
    "그건 정말 좋은 생각이죠! ¦그대로 할게요.",
    "이름은 루미세럼이에요\n¦가격은 아직 몰라요\n¦천천히 정하세요",
    "이름을 정했어요.¦그럼 가격은 얼마인가요?",
    "これは名前です。¦価格はいくらですか？",
    "보고서.한글 파일을 열었어요. ¦맞나요?",
    "네, iPhone 케이스예요. ¦iPad 케이스도 있어요.",
    // Lists.
    "Three ways to go:\n¦- Lead with the price.\n¦• Lead with the people.\n¦* Lead with the box.",
    "1. Lead with the price.\n¦2) Lead with the people.\n¦10. Lead with the box.",
    "특징은 이래요: ¦1. 하루 종일 촉촉해요 ¦2. 향이 없어요 ¦3. 비건이에요",
    "They are ¦• gentle every day ¦• made without any scent",
    "We tried 2. ¦After that came three.",
    // Short pieces go with the next; the first of a reply does not wait for long.
    "네. 반가워요. ¦이름이 뭐예요?",
    "Yes! I like it. ¦What is it called?",
    "Nice. ¦What is it called?",
    "좋아요. ¦그럼 시작할게요. ¦네. 기다려 주세요.",
    "Nice to meet you. ¦Yes! What is it called?",
    "네. ¦지금부터 시장 조사와 전략과 광고 소재를 차례로 만들게요.",
    "네.",
    "Yes!",
    "이제 다 됐어요. ¦네.",
    "",
    " \n ",
    "🎉 좋은 이름이에요! ¦🎉",
];

fn cut_in_pieces(text: &str, pieces: &[&str]) -> Vec<Sentence> {
    assert_eq!(pieces.concat(), text);
    let mut cutter = SentenceCutter::default();
    let mut sentences = Vec::new();
    for piece in pieces {
        cutter.push(piece, &mut sentences);
    }
    cutter.finish(&mut sentences);
    sentences
}

fn cut(text: &str) -> Vec<Sentence> {
    cut_in_pieces(text, &[text])
}

fn with_bars(sentences: &[Sentence]) -> String {
    let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    texts.join("¦")
}

/// What a cutter hands over while a text is pushed, without its end.
fn handed_over(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    SentenceCutter::default().push(text, &mut sentences);
    sentences.into_iter().map(|sentence| sentence.text).collect()
}

#[test]
fn sentences_end_where_a_reader_takes_breath() {
    let wrong: Vec<String> = CUTS
        .iter()
        .map(|expected| (expected, with_bars(&cut(&expected.replace('¦', "")))))
        .filter(|(expected, found)| *expected != found)
        .map(|(expected, found)| format!("expected {expected:?}\n   found {found:?}"))
        .collect();
    assert!(CUTS.len() >= 60);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_hundred_replies_are_cut_and_said_as_reviewed() {
    let replies: Vec<String> = REPLIES
        .lines()
        .filter(|line| !line.starts_with("    ="))
        .map(|line| line.replace('¦', "").replace("\\n", "\n"))
        .collect();
    let mut found = String::new();
    for reply in &replies {
        let sentences = cut(reply);
        writeln!(found, "{}", with_bars(&sentences).replace('\n', "\\n")).unwrap();
        for sentence in sentences
            .iter()
            .filter(|sentence| sentence.speakable != sentence.text.trim())
        {
            let line = format!("    = {}", sentence.speakable);
            writeln!(found, "{}", line.trim_end()).unwrap();
        }
    }
    assert_eq!(replies.len(), 100);
    for (expected, found) in REPLIES.lines().zip(found.lines()) {
        assert_eq!(expected, found);
    }
    assert_eq!(REPLIES.lines().count(), found.lines().count());
}

#[test]
fn a_piece_is_handed_over_as_soon_as_its_end_is_certain() {
    for (pushed, pieces) in [
        // After a Korean syllable the blank is enough, a Latin word may be an abbreviation.
        ("알겠습니다.", vec![]),
        ("알겠습니다. ", vec!["알겠습니다. "]),
        ("That is fine.", vec![]),
        ("That is fine. ", vec![]),
        ("That is fine. W", vec!["That is fine. "]),
        ("That is fine. w", vec![]),
        ("Is that fine? ", vec!["Is that fine? "]),
        ("이름은 루미세럼\n", vec!["이름은 루미세럼\n"]),
        // A short first piece waits for the next as long as that is short.
        ("네. 반가", vec![]),
        ("네. 반가워요. ", vec!["네. 반가워요. "]),
        ("네. 지금부터 시장 조사와 전략", vec!["네. "]),
        // The first sentence's clauses go ahead of what makes it long.
        (
            "That is a lovely idea, and I think that your customers will see it right away when they open the box you made",
            vec!["That is a lovely idea, "],
        ),
        (
            "Nice. That is a lovely idea, and I think that your customers will see it right away",
            vec!["Nice. "],
        ),
    ] {
        assert_eq!(handed_over(pushed), pieces, "{pushed}");
    }
}

#[test]
fn a_pause_hands_over_what_looks_complete() {
    for (pushed, pieces) in [
        ("알겠습니다.", vec!["알겠습니다."]),
        ("That is fine.", vec!["That is fine."]),
        ("That is fine. ", vec!["That is fine. "]),
        ("네.", vec!["네."]),
        ("네. 그", vec!["네. "]),
        ("Nice. Ok.", vec!["Nice. "]),
        ("That is fine", vec![]),
        ("It costs 25.", vec![]),
        ("Dr.", vec![]),
        ("1.", vec![]),
        ("음...", vec![]),
        ("", vec![]),
    ] {
        let mut cutter = SentenceCutter::default();
        let mut sentences = Vec::new();
        cutter.push(pushed, &mut sentences);
        cutter.pause(&mut sentences);
        let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.text.as_str()).collect();
        assert_eq!(texts, pieces, "{pushed}");
        cutter.finish(&mut sentences);
        assert_eq!(joined(&sentences), pushed);
    }
}

#[test]
fn what_is_said_has_no_markup_and_keeps_its_numbers() {
    for (written, said) in [
        ("**좋아요!** `루미세럼`이군요.", "좋아요! 루미세럼이군요."),
        ("_Really_ good, my_file.txt too.", "Really good, my_file.txt too."),
        ("~~Old~~ new, 3~4만 원", "Old new, 3~4만 원"),
        ("# 지금까지의 이야기", "지금까지의 이야기"),
        ("> - [x] quoted item", "quoted item"),
        ("12) The twelfth item", "The twelfth item"),
        ("2026 was the year", "2026 was the year"),
        ("11. 20. 출시예요", "11. 20. 출시예요"),
        ("See [the guide](https://x.kr/a_b) now", "See the guide now"),
        ("![그림](a.png) 그림이에요", "그림 그림이에요"),
        ("See <https://lumi.kr/a/> now", "See lumi.kr/a now"),
        ("HTTP://LUMI.KR or mailto:hi@lumi.kr", "LUMI.KR or hi@lumi.kr"),
        ("Great name 🎉.", "Great name."),
        ("👍🏽 좋은 이름이에요 ✨", "좋은 이름이에요"),
        ("₩39,000 · 50% & $25.00 (fine)…", "₩39,000 · 50% & $25.00 (fine)…"),
        ("제품 #루미세럼, #1 in C#", "제품 루미세럼, #1 in C#"),
        ("a \\* b", "a b"),
        ("| 이름 | 가격 |", "이름 가격"),
        ("네\n하나\n둘", "네, 하나 둘"),
        ("---", ""),
        ("...", ""),
        ("🎉", ""),
        ("\n", ""),
    ] {
        let said_of: Vec<String> = cut(written)
            .into_iter()
            .map(|sentence| sentence.speakable)
            .collect();
        assert_eq!(said_of.join(" ").trim(), said, "{written}");
    }
    let fence = cut("```json\n{\"name\": 1}\n```\n");
    let said: Vec<&str> = fence.iter().map(|sentence| sentence.speakable.as_str()).collect();
    assert!(!said.concat().contains("json"), "{said:?}");
}

#[test]
fn a_long_sentence_is_cut_at_its_clauses_and_never_in_a_word() {
    let english = format!(
        "Nice. {} end.",
        "and then some more words came along, ".repeat(24)
    );
    let korean = format!("좋아요. {} 끝나요.", "시장 조사를 하고 전략을 세우며 ".repeat(50));
    let without_clauses = format!("Nice. {}end.", "word ".repeat(240));
    for (text, clause_ends) in [
        (english.as_str(), &[", "][..]),
        (korean.as_str(), &["하고 ", "세우며 "][..]),
        (without_clauses.as_str(), &[" "][..]),
    ] {
        let sentences = cut(text);
        assert!(sentences.len() > 3);
        for sentence in &sentences[1..sentences.len() - 1] {
            assert!(
                clause_ends.iter().any(|end| sentence.text.ends_with(end)),
                "{sentence:?}"
            );
            assert!(sentence.text.chars().count() > 100, "{sentence:?}");
        }
    }
}

#[test]
fn text_without_blanks_is_cut_between_whole_characters() {
    let family = "👨‍👩‍👧".repeat(200);
    let decomposed = "\u{1112}\u{1161}\u{11ab}".repeat(200);
    for (text, unit_chars) in [(family, 5), (decomposed, 3), ("가".repeat(1_000), 1)] {
        for sentence in cut(&text) {
            let chars = sentence.text.chars().count();
            assert!(chars <= SENTENCE_CHARS_MAX);
            assert_eq!(chars % unit_chars, 0);
        }
    }
}

fn joined(sentences: &[Sentence]) -> String {
    sentences.iter().map(|sentence| sentence.text.as_str()).collect()
}

/// Anything, and texts full of what decides where a sentence ends.
fn text() -> impl Strategy<Value = String> {
    let tokens = vec![
        "네",
        "요",
        "다",
        "하고",
        "있어요",
        "Nice",
        "nice",
        "I",
        "Dr",
        "e.g",
        "U.S",
        "No",
        "etc",
        "3",
        "39,000",
        "1",
        "2",
        ".",
        ".",
        ".",
        "...",
        "…",
        "?",
        "!",
        "?!",
        ",",
        ";",
        ":",
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\n\n",
        "- ",
        "• ",
        "1. ",
        "2) ",
        "2. ",
        "\"",
        "“",
        "”",
        "(",
        ")",
        "**",
        "`",
        "_",
        "[",
        "](x)",
        "https://a.kr/b?c",
        "🎉",
        "👨‍👩‍👧",
        "e\u{301}",
        "\u{1112}\u{1161}",
        "。",
        "—",
        "가나다라마바사아자차카타파하",
    ];
    let written =
        prop::collection::vec(prop::sample::select(tokens), 0..120).prop_map(|tokens| tokens.concat());
    let unbroken = ("[가-힣]{250,700}", "[a-z. ]{0,40}").prop_map(|(run, rest)| format!("{run}{rest}"));
    prop_oneof![6 => written, 2 => ".{0,400}", 1 => unbroken, 1 => Just(String::new())]
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_piece_exceeds_the_bound(text in text()) {
        let sentences = cut(&text);
        prop_assert_eq!(joined(&sentences), text.as_str());
        for sentence in &sentences {
            prop_assert!(!sentence.text.is_empty());
            prop_assert!(sentence.text.chars().count() <= SENTENCE_CHARS_MAX);
            prop_assert!(sentence.speakable.is_empty() || sentence.speakable.chars().any(char::is_alphanumeric));
            prop_assert_eq!(sentence.speakable.trim(), sentence.speakable.as_str());
            prop_assert!(!sentence.speakable.contains(['\n', '*', '`']));
        }
    }

    #[test]
    fn the_same_pieces_come_however_the_text_is_split(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let whole = cut(&text);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut % (text.len() + 1))).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|range| &text[range[0]..range[1]]).collect();
        prop_assert_eq!(&cut_in_pieces(&text, &pieces), &whole);
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
        prop_assert_eq!(&cut_in_pieces(&text, &chars), &whole);
    }

    #[test]
    fn a_pause_loses_nothing_either(text in text(), pauses in prop::collection::vec(any::<bool>(), 400)) {
        let mut cutter = SentenceCutter::default();
        let mut sentences = Vec::new();
        for (char, pauses) in text.chars().zip(pauses.iter().cycle()) {
            cutter.push(char.encode_utf8(&mut [0; 4]), &mut sentences);
            if *pauses {
                cutter.pause(&mut sentences);
            }
        }
        cutter.finish(&mut sentences);
        prop_assert_eq!(joined(&sentences), text);
    }

    #[test]
    fn a_cutter_is_as_new_after_the_end(before in text(), text in text()) {
        let mut cutter = SentenceCutter::default();
        let mut sentences = Vec::new();
        cutter.push(&before, &mut sentences);
        cutter.finish(&mut sentences);
        sentences.clear();
        cutter.push(&text, &mut sentences);
        cutter.finish(&mut sentences);
        prop_assert_eq!(sentences, cut(&text));
    }
}
