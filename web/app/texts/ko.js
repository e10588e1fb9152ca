// Every word of the page in Korean. The same keys stand in `en.js`; a test compares.

export const ko = {
  page: {
    title: "Greenroom",
    skip_to_conversation: "대화로 바로 가기",
    conversation: "대화",
    brief: "브리프",
    stage: "무대",
    tabs: "화면",
    tab_talk: "대화",
    tab_brief: "브리프",
    tab_stage: "무대",
  },
  room: {},
  brief: {},
  stage: {},
  results: {},
  trouble: {},
  docs: {},
};
