// Runs before the first paint, so that nobody who chose the dark theme sees a flash of the light one. Not a
// module: those wait for the whole document.
"use strict";

try {
  const theme = localStorage.getItem("greenroom.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const language = localStorage.getItem("greenroom.language");
  document.documentElement.lang = language ?? (navigator.language.startsWith("ko") ? "ko" : "en");
} catch {
  // Storage is refused: the system's theme it is.
}
