// The patient's screen: the breathing against its window, and one short sentence.
//
// Nothing can be pressed. When data are late the picture turns grey and the sentence says "Please
// wait". `?style=wave|bar|circle` and `?tone=on` show another style than the configured one.
import { Live } from "./live.js";
import { $, pen, write } from "./page.js";

const SECONDS = 12;
const NOW_AT = 0.62;
const SCALE_S = 40;
const LEAST_MM = 4;
const STALE_MS = 350;
const FONT_SHARE = 0.05;
const INK = "#ffffff", WINDOW = "rgba(111,227,166,.35)", EDGE = "#6fe3a6", USUAL = "rgba(255,255,255,.10)";

const WORDS = {
  IDLE: "Lie still and relax",
  MODELLING: "Breathe as usual",
  READY: "Breathe as usual",
  TRACKING: "Good: keep breathing",
  HOLDING: "Breathe calmly",
  STOPPED: "It is over",
};
const ASKS = { hold: "Hold your breath", rest: "Breathe out and rest" };

// What to say, in which colour, and how many seconds are left; a plain function of one state.
export function guidance(state) {
  const { guide, session, permitted } = state;
  if (!guide || session === "IDLE" || session === "STOPPED") {
    return { words: WORDS[session] ?? "Please wait", tone: permitted ? "good" : "wait", left: null };
  }
  const left = guide.remaining_s === null ? null : Math.ceil(guide.remaining_s);
  if (guide.asks !== "breathe") {
    return { words: ASKS[guide.asks], tone: guide.asks === "hold" && inside(state) ? "good" : "act", left };
  }
  return { words: permitted ? WORDS.TRACKING : "Breathe into the green", tone: permitted ? "good" : "wait", left };
}

export function inside({ guide, amplitude_mm: at }) {
  return guide !== null && at !== null && at >= guide.low_mm && at <= guide.high_mm;
}

// The range that is shown: of the last breaths and of the window, so that it does not tremble.
export function rangeOf(rows, guide) {
  let low = Infinity, high = -Infinity;
  for (const { mm } of rows) if (mm !== null) { low = Math.min(low, mm); high = Math.max(high, mm); }
  if (guide) { low = Math.min(low, guide.low_mm); high = Math.max(high, guide.high_mm); }
  if (!Number.isFinite(low)) return [-LEAST_MM / 2, LEAST_MM / 2];
  const middle = (low + high) / 2, half = Math.max(high - low, LEAST_MM) * 0.6;
  return [middle - half, middle + half];
}

class PatientScreen {
  constructor({ style, tone }) {
    this.style = style;
    this.tone = tone ? new Tone() : null;
    this.rows = [];
    this.state = null;
    this.live = false;
    this.drawn = 0;
    requestAnimationFrame(() => this.draw());
  }

  take(record) {
    if (record.type !== "PatientState") return;
    if (this.state && record.run_id !== this.state.run_id) this.rows = [];
    const at = record.t_ns / 1e9;
    if (this.tone && inside(record) && !(this.state && inside(this.state))) this.tone.sound();
    this.state = record;
    this.rows.push({ at, mm: record.amplitude_mm });
    while (this.rows[0].at < at - SCALE_S) this.rows.shift();
    this.say();
  }

  judge(live) {
    this.live = live;
    document.body.classList.toggle("stale", !live);
    if (!live) {
      write($("words"), "Please wait");
      $("count").hidden = true;
    } else this.say();
  }

  say() {
    if (!this.live || !this.state) return;
    const { words, tone, left } = guidance(this.state);
    write($("words"), words);
    document.body.dataset.tone = tone;
    $("count").hidden = left === null;
    if (left !== null) write($("count"), String(left));
  }

  draw() {
    const { drawing, width, height } = pen($("breath"));
    if (this.state) {
      const [low, high] = rangeOf(this.rows, this.state.guide);
      const y = (mm) => height * (1 - (mm - low) / (high - low));
      STYLES[this.style](drawing, { width, height, y, rows: this.rows, state: this.state });
      this.drawn += 1;
    }
    requestAnimationFrame(() => this.draw());
  }
}

function band(drawing, { width, y, state, rows }, left = 0, right = width) {
  const { guide } = state;
  const seen = rows.filter((row) => row.mm !== null).map((row) => row.mm);
  if (!guide && !seen.length) return;
  const [low, high] = guide ? [guide.low_mm, guide.high_mm] : [Math.min(...seen), Math.max(...seen)];
  drawing.fillStyle = guide ? WINDOW : USUAL;
  drawing.fillRect(left, y(high), right - left, y(low) - y(high));
  if (!guide) return;
  drawing.fillStyle = EDGE;
  for (const edge of [low, high]) drawing.fillRect(left, y(edge) - 2, right - left, 4);
}

const STYLES = {
  wave(drawing, scene) {
    const { width, height, y, rows, state } = scene;
    band(drawing, scene);
    const now = state.t_ns / 1e9;
    const x = (at) => width * NOW_AT * (1 + (at - now) / SECONDS);
    drawing.strokeStyle = INK;
    drawing.lineWidth = height * 0.016;
    drawing.lineJoin = drawing.lineCap = "round";
    drawing.beginPath();
    let open = false;
    for (const { at, mm } of rows) {
      if (mm === null || at < now - SECONDS) { open = false; continue; }
      if (open) drawing.lineTo(x(at), y(mm)); else drawing.moveTo(x(at), y(mm));
      open = true;
    }
    drawing.stroke();
    if (state.amplitude_mm !== null) dot(drawing, x(now), y(state.amplitude_mm), height * FONT_SHARE);
  },
  bar(drawing, scene) {
    const { width, height, y, state } = scene;
    const left = width * 0.38, right = width * 0.62;
    drawing.fillStyle = "rgba(255,255,255,.08)";
    drawing.fillRect(left, 0, right - left, height);
    if (state.amplitude_mm !== null) {
      const top = y(state.amplitude_mm);
      drawing.fillStyle = INK;
      drawing.fillRect(left, top, right - left, height - top);
    }
    band(drawing, scene, width * 0.28, width * 0.72);
  },
  circle(drawing, scene) {
    const { width, height, y, state } = scene;
    const radius = (mm) => height * 0.46 * Math.min(Math.max(1 - y(mm) / height, 0.02), 1);
    const { guide } = state;
    if (guide) {
      drawing.strokeStyle = WINDOW;
      drawing.lineWidth = Math.max(radius(guide.high_mm) - radius(guide.low_mm), 6);
      drawing.beginPath();
      drawing.arc(width / 2, height / 2, (radius(guide.high_mm) + radius(guide.low_mm)) / 2, 0, 2 * Math.PI);
      drawing.stroke();
    }
    if (state.amplitude_mm === null) return;
    drawing.strokeStyle = INK;
    drawing.lineWidth = height * 0.02;
    drawing.beginPath();
    drawing.arc(width / 2, height / 2, radius(state.amplitude_mm), 0, 2 * Math.PI);
    drawing.stroke();
  },
};

function dot(drawing, x, y, radius) {
  drawing.fillStyle = INK;
  drawing.beginPath();
  drawing.arc(x, y, radius, 0, 2 * Math.PI);
  drawing.fill();
}

// A short, soft tone. A browser that forbids sound without a touch stays silent.
class Tone {
  constructor() { this.audio = new AudioContext(); this.sounded = 0; }

  sound() {
    this.sounded += 1;
    const { audio } = this;
    const source = audio.createOscillator(), loudness = audio.createGain();
    source.frequency.value = 660;
    loudness.gain.setValueAtTime(0.2, audio.currentTime);
    loudness.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
    source.connect(loudness).connect(audio.destination);
    source.start();
    source.stop(audio.currentTime + 0.35);
  }
}

const answer = await fetch("/api/me", { cache: "no-store" });
if (answer.status === 401) location.assign("/login");
else {
  const { patient } = await answer.json();
  const asked = new URLSearchParams(location.search);
  const style = asked.get("style") in STYLES ? asked.get("style") : patient.style;
  const screen = new PatientScreen({ style, tone: asked.get("tone") === "on" || patient.tone });
  window.tidetrack = { screen };
  new Live((record) => screen.take(record), (live) => screen.judge(live),
    { view: "patient", stateMs: STALE_MS });
}
