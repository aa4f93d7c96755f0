// Small things every page needs: elements, words, numbers, times.

export const $ = (id) => document.getElementById(id);

// Makes an element: make("p", {class: "x", text: "words"}, child, child).
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Writes a text only where it differs, so that nothing is laid out anew for nothing.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export const AXES = [
  { name: "SI", words: "superior +", plus: "S", minus: "I", index: 1 },
  { name: "AP", words: "anterior +", plus: "A", minus: "P", index: 2 },
  { name: "LR", words: "left +", plus: "L", minus: "R", index: 0 },
];

export function number(value, digits = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

const two = (n) => String(n).padStart(2, "0");

// 0:12:34 since the run began.
export function runTime(ns) {
  const s = Math.floor(ns / 1e9);
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

// The time of day of a moment of the run, by a state that knows both.
export function timeOfDay(ns, state) {
  const at = new Date(Date.parse(state.wall) - (state.t_ns - ns) / 1e6);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${two(Math.round(seconds) % 60)} s`;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// Where the target is against where the beam aims, patient frame; null where one is unknown, or
// nothing steers the one to the other.
export function offTarget(state) {
  if (state.session !== "TRACKING" && state.session !== "HOLDING") return null;
  if (!state.estimate || !state.actuator_mm) return null;
  return state.estimate.position_mm.map((value, i) => value - state.actuator_mm[i]);
}

export const length = (v) => Math.hypot(...v);

// A canvas as large as its place, drawn in CSS pixels.
export function pen(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const drawing = canvas.getContext("2d");
  drawing.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawing.clearRect(0, 0, width, height);
  return { drawing, width, height };
}

export const COLOURS = {
  ink: "#eef3f8", soft: "#a9bacb", line: "#2b3a4a", grid: "rgba(160,185,210,.13)",
  surrogate: "#eef3f8", estimate: "#4cc2ff", prediction: "#ff9de2", demand: "#ffd24d",
  actuator: "#69db7c", permitted: "rgba(46,180,120,.17)", tolerance: "#69db7c", bad: "#ff7b72",
};
export const FONT = '"Inter", system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", "DejaVu Sans", sans-serif';
