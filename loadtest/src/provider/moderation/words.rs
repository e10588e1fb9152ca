//! What the simulated classifier flags. The list is short, plain and public on purpose: `docs/simulator.md` prints it.

use super::Category;

/// Words and phrases, lowercase, by what they are flagged as.
pub(super) const WORDS: &[(Category, &[&str])] = &[
    (
        Category::Harassment,
        &["you are worthless", "you idiot", "멍청한 놈", "꺼져 버려"],
    ),
    (
        Category::HarassmentThreatening,
        &[
            "i will kill you",
            "i will hurt you",
            "죽여 버릴",
            "가만두지 않겠다",
        ],
    ),
    (
        Category::Hate,
        &["subhuman", "inferior race", "열등한 인종", "인간 이하의 종족"],
    ),
    (
        Category::HateThreatening,
        &[
            "exterminate them all",
            "wipe out that race",
            "그 민족을 말살",
            "씨를 말려야",
        ],
    ),
    (
        Category::Illicit,
        &["how to shoplift", "launder money", "마약 구하는", "돈세탁"],
    ),
    (
        Category::IllicitViolent,
        &["build a bomb", "pipe bomb", "폭탄 만드는", "사제 총기"],
    ),
    (
        Category::SelfHarm,
        &["self-harm", "cut myself", "자해하", "자해를"],
    ),
    (
        Category::SelfHarmIntent,
        &["want to kill myself", "end my life", "죽고 싶", "자살할"],
    ),
    (
        Category::SelfHarmInstructions,
        &[
            "how to kill myself",
            "painless way to die",
            "자살하는 방법",
            "고통 없이 죽는",
        ],
    ),
    (Category::Sexual, &["porn", "explicit sex", "포르노", "음란물"]),
    (
        Category::SexualMinors,
        &["child porn", "sexualized minor", "아동 음란", "미성년자 성"],
    ),
    (
        Category::Violence,
        &["beat him to death", "mass shooting", "총기 난사", "때려 죽"],
    ),
    (
        Category::ViolenceGraphic,
        &["dismembered", "guts spilled", "토막 난 시신", "내장이 쏟아"],
    ),
];
