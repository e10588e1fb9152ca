// Every word of the page in English. The same keys stand in `ko.js`; a test compares.

export const en = {
  page: {
    title: "Greenroom",
    skip_to_conversation: "Skip to the conversation",
    conversation: "Conversation",
    brief: "Brief",
    stage: "Stage",
    tabs: "Panes",
    tab_talk: "Talk",
    tab_brief: "Brief",
    tab_stage: "Stage",
  },
  room: {},
  brief: {},
  stage: {},
  results: {},
  trouble: {},
  docs: {},
};
