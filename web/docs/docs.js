// The pages of the documentation come whole from the server; this adds what can be tried out.

import { render } from "../vendor/lit-html/lit-html.js";
import { mountConsole } from "./console.js";
import { colourExamples } from "./pretty.js";
import { mountSettings } from "./settings.js";
import { mountTryForm } from "./try_form.js";

/** Forms are made when they come near the screen: a page has dozens. */
const NEAR = "600px";

/** Says something to who cannot see it change. @param {string} said */
function announce(said) {
  const live = document.querySelector('[data-part="live"]');
  if (live) live.textContent = said;
}

function enhanceOperations() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !(target instanceof HTMLElement)) continue;
        observer.unobserve(target);
        const container = target.querySelector('[data-part="try"]');
        if (container instanceof HTMLElement)
          mountTryForm(container, JSON.parse(target.dataset.operation ?? ""), announce);
      }
    },
    { rootMargin: NEAR },
  );
  for (const operation of document.querySelectorAll("[data-operation]")) observer.observe(operation);
}

function enhanceConsole() {
  const container = document.querySelector('[data-part="console"]');
  if (!(container instanceof HTMLElement)) return;
  const described = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-frame]")]);
  const frames = described.map((element) => ({ element, ...JSON.parse(element.dataset.frame ?? "") }));
  container.textContent = "";
  mountConsole(container, frames, announce);
}

/** Marks in the contents what is being read. */
function followReading() {
  const links = new Map(
    [...document.querySelectorAll(".contents a")].map((link) => [
      link.getAttribute("href")?.slice(1) ?? "",
      link,
    ]),
  );
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(target.id)?.setAttribute("aria-current", "true");
      }
    },
    // A band below the bar: what is in it is what is read.
    { rootMargin: "-15% 0px -75% 0px" },
  );
  for (const anchor of links.keys()) {
    const target = document.getElementById(anchor);
    if (target) observer.observe(target);
  }
}

/** The contents come over the page on a narrow screen: who has chosen from them wants to see the page. */
function closeContentsOnChoice() {
  const contents = document.getElementById("contents");
  contents?.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("a") && contents.matches(":popover-open"))
      contents.hidePopover();
  });
}

const settings = document.querySelector('[data-part="settings"]');
if (settings instanceof HTMLElement) mountSettings(settings);
closeContentsOnChoice();
enhanceOperations();
enhanceConsole();
colourExamples(document, render);
followReading();
