"use strict";
// what the page's scripts share
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const option = (value, text) => {
  const element = make("option", text);
  element.value = value;
  return element;
};
// empty values come last in both directions
const compare = (a, b, sign) => {
  const none = (v) => v === null || v === undefined || v === "";
  if (none(a) || none(b)) return none(a) - none(b);
  return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
};
const turned = (header) => {
  const now = header.getAttribute("aria-sort");
  const first = header.dataset.first || "descending";
  if (!now) return first;
  return now === "ascending" ? "descending" : "ascending";
};
const mark = (header, direction) => {
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
};
